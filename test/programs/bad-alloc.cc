// SPDX-License-Identifier: BSD-2-Clause
//
// A C++ program that fills its memory until std::bad_alloc, three times, catches it, lets go and works on; for bad-alloc.sh.
// It writes into all that it gets, and prints what does not depend on how much that is. With an argument, it must have got
// at least that many MiB each time.

#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

static std::size_t least;

template <class Fill> static void until_bad_alloc(const char *what, Fill fill)
{
	std::size_t bytes = 0;
	bool caught = false;

	try {
		fill(bytes);
	} catch (const std::bad_alloc &) {
		caught = true;
	}
	std::fprintf(stderr, "%s: %zu MiB\n", what, bytes >> 20);
	std::printf("%s: %s, %s\n", what, caught ? "bad_alloc" : "no bad_alloc", bytes >> 20 >= least ? "enough" : "too little");
}

static void blocks(std::size_t &bytes)
{
	std::list<std::vector<char>> list;
	for (;;) {
		list.emplace_back(100000, 'b');
		bytes += 100000;
	}
}

static void tree(std::size_t &bytes)
{
	std::map<std::size_t, std::string> map;
	for (;;) {
		map.emplace(bytes, std::string(200, 't'));
		bytes += 200 + 80;
	}
}

static void growing(std::size_t &bytes)
{
	std::vector<std::unique_ptr<char[]>> large;
	for (;;) {
		large.emplace_back(new char[8 << 20]());
		bytes += 8 << 20;
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		least = std::strtoul(argv[1], nullptr, 10);
	until_bad_alloc("blocks of 100,000 bytes", blocks);
	until_bad_alloc("a tree of strings", tree);
	until_bad_alloc("blocks of 8 MiB", growing);
	std::string text;
	for (int i = 0; i < 100000; i++)
		text += std::to_string(i);
	std::printf("and goes on: %zu\n", text.size());
	return 0;
}
