// SPDX-License-Identifier: BSD-2-Clause
//
// Proves that every form of C++ new and delete works on fallow's heap, and that failure is what the standard says:
// the new_handler is called until it frees something, throws or is gone; then std::bad_alloc, or NULL where nothrow.

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "test/lib/preload.h"
#include "test/preload/check.h"

namespace {

volatile std::size_t too_large = PTRDIFF_MAX;
const std::size_t aligned = 256;
int handler_calls;

struct alignas(aligned) wide {
	char bytes[3 * aligned];
};

bool is_aligned(const void *block, std::size_t alignment)
{
	return reinterpret_cast<std::uintptr_t>(block) % alignment == 0;
}

// The operators by name: a new-expression could be elided.
void forms_give_and_take_blocks()
{
	const auto alignment = std::align_val_t(aligned);

	for (std::size_t size = 0; size < 300000; size = size * 3 / 2 + 1) {
		void *blocks[] = {
			::operator new(size), ::operator new[](size),
			::operator new(size, std::nothrow), ::operator new[](size, std::nothrow),
			::operator new(size), ::operator new[](size), ::operator new(size), ::operator new[](size),
		};
		for (void *block : blocks) {
			CHECK(block != nullptr);
			CHECK(is_aligned(block, 16));
			CHECK(malloc_usable_size(block) >= size);
			memset(block, 'n', size);
		}
		::operator delete(blocks[0]);
		::operator delete[](blocks[1]);
		::operator delete(blocks[2], std::nothrow);
		::operator delete[](blocks[3], std::nothrow);
		::operator delete(blocks[4], size);
		::operator delete[](blocks[5], size);
		free(blocks[6]);
		blocks[7] = realloc(blocks[7], size + 100);
		CHECK(check_holds(blocks[7], size, 'n'));
		::operator delete[](blocks[7]);

		void *wides[] = {
			::operator new(size, alignment), ::operator new[](size, alignment),
			::operator new(size, alignment, std::nothrow), ::operator new[](size, alignment, std::nothrow),
			::operator new(size, alignment), ::operator new[](size, alignment),
		};
		for (void *block : wides) {
			CHECK(block != nullptr);
			CHECK(is_aligned(block, aligned));
			memset(block, 'w', size);
		}
		::operator delete(wides[0], alignment);
		::operator delete[](wides[1], alignment);
		::operator delete(wides[2], alignment, std::nothrow);
		::operator delete[](wides[3], alignment, std::nothrow);
		::operator delete(wides[4], size, alignment);
		::operator delete[](wides[5], size, alignment);
	}
	::operator delete(nullptr);
	::operator delete[](nullptr);
	::operator delete(nullptr, std::size_t(8));
	::operator delete(nullptr, alignment);

	wide *array = new wide[5];
	CHECK(is_aligned(array, aligned));
	delete[] array;
}

template <class Request> bool throws_bad_alloc(Request request)
{
	try {
		request();
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

void failure_throws_or_is_null()
{
	const auto alignment = std::align_val_t(aligned);

	CHECK(throws_bad_alloc([] { ::operator delete(::operator new(too_large)); }));
	CHECK(throws_bad_alloc([] { ::operator delete[](::operator new[](too_large)); }));
	CHECK(throws_bad_alloc([&] { ::operator delete(::operator new(too_large, alignment), alignment); }));
	CHECK(throws_bad_alloc([&] { ::operator delete[](::operator new[](too_large, alignment), alignment); }));
	CHECK(throws_bad_alloc([] { std::vector<char>().reserve(too_large); }));
	CHECK(::operator new(too_large, std::nothrow) == nullptr);
	CHECK(::operator new[](too_large, std::nothrow) == nullptr);
	CHECK(::operator new(too_large, alignment, std::nothrow) == nullptr);
	CHECK(::operator new[](too_large, alignment, std::nothrow) == nullptr);
}

void count_then_give_up()
{
	if (++handler_calls == 5)
		std::set_new_handler(nullptr);
}

struct handler_threw {};

void throw_something_else()
{
	throw handler_threw();
}

// Throwing bad_alloc is how a handler says no; the nothrow forms turn it into NULL.
void throw_bad_alloc()
{
	handler_calls++;
	throw std::bad_alloc();
}

void handler_is_called_until_it_gives_up()
{
	const auto alignment = std::align_val_t(aligned);

	handler_calls = 0;
	std::set_new_handler(count_then_give_up);
	CHECK(throws_bad_alloc([] { ::operator delete(::operator new(too_large)); }));
	CHECK(handler_calls == 5);

	handler_calls = 0;
	std::set_new_handler(count_then_give_up);
	CHECK(throws_bad_alloc([&] { ::operator delete(::operator new(too_large, alignment), alignment); }));
	CHECK(handler_calls == 5);

	handler_calls = 0;
	std::set_new_handler(count_then_give_up);
	CHECK(::operator new(too_large, std::nothrow) == nullptr);
	CHECK(handler_calls == 5);

	handler_calls = 0;
	std::set_new_handler(throw_bad_alloc);
	CHECK(::operator new(too_large, std::nothrow) == nullptr);
	CHECK(::operator new[](too_large, alignment, std::nothrow) == nullptr);
	CHECK(throws_bad_alloc([] { ::operator delete(::operator new(too_large)); }));
	CHECK(handler_calls == 3);

	bool passed_on = false;
	std::set_new_handler(throw_something_else);
	try {
		::operator delete(::operator new(too_large));
	} catch (const handler_threw &) {
		passed_on = true;
	}
	CHECK(passed_on);
	std::set_new_handler(nullptr);
}

} // namespace

int main(int, char **argv)
{
	test_preload(argv, nullptr);
	check_deadline(60);
	forms_give_and_take_blocks();
	failure_throws_or_is_null();
	handler_is_called_until_it_gives_up();

	std::map<std::string, std::vector<int>> tree;
	for (int i = 0; i < 20000; i++)
		tree[std::to_string(i * 7919 % 20000)].assign(i % 50, i);
	CHECK(tree.size() == 20000);
	tree.clear();
	return check_status();
}
