// SPDX-License-Identifier: BSD-2-Clause
// For containers.sh: standard containers on arenas and on the process heap, by fallow::allocator and std::pmr.
#include <fallow/memory_resource.hpp>
#include <fallow/stats.h>

#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

static constexpr std::size_t limit = 4 << 20;

static void require(bool holds, const char *what, int line)
{
	if (holds)
		return;
	std::printf("line %d: %s\n", line, what);
	std::exit(1);
}
#define REQUIRE(condition) require(condition, #condition, __LINE__)

static bool is_at(const void *address, std::size_t alignment)
{
	return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

class arena {
public:
	arena()
	{
		fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
		options.limit = limit;
		REQUIRE(fallow_arena_create(&options, &handle) == 0);
	}
	~arena() { fallow_arena_destroy(handle); }
	arena(const arena &) = delete;
	arena &operator=(const arena &) = delete;

	std::size_t taken() const
	{
		fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
		REQUIRE(fallow_arena_stats(handle, &stat) == 0);
		return stat.taken;
	}

	fallow_arena *handle;
};

// More than blocks of this size have by themselves.
struct alignas(1 << 16) page {
	char bytes[1 << 16];
};

// Runs out of memory, and says why: fallow's limit and no other.
template <class F> static void exhausts(F f)
{
	fallow_failure failure;
	bool thrown = false;

	try {
		f();
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	REQUIRE(thrown);
	fallow_last_failure(&failure);
	REQUIRE(failure.reason == FALLOW_REASON_ARENA_LIMIT);
}

static void containers_live_in_the_arena()
{
	arena a;
	fallow::allocator<int> on(a.handle);
	std::vector<int, fallow::allocator<int>> numbers(100000, 7, on);
	// Nodes are rebound: of another type than the elements.
	std::map<int, int, std::less<int>, fallow::allocator<std::pair<const int, int>>> squares{std::less<int>(), on};
	std::list<double, fallow::allocator<double>> list(on);
	using string = std::basic_string<char, std::char_traits<char>, fallow::allocator<char>>;
	string text(1000, 'x', on);

	REQUIRE(a.taken() >= numbers.size() * sizeof(int));
	for (int i = 0; i < 1000; i++) {
		squares[i] = i * i;
		list.push_front(i);
	}
	REQUIRE(squares.at(999) == 998001 && list.front() == 999 && text.size() == 1000);
	REQUIRE(fallow_arena_usable_size(a.handle, numbers.data()) >= numbers.size() * sizeof(int));
}

static void exhaustion_is_bad_alloc_and_the_container_stays()
{
	arena a;
	std::vector<std::size_t, fallow::allocator<std::size_t>> numbers{fallow::allocator<std::size_t>(a.handle)};

	exhausts([&] {
		for (std::size_t i = 0; i < limit; i++)
			numbers.push_back(i);
	});
	for (std::size_t i = 0; i < numbers.size(); i++)
		REQUIRE(numbers[i] == i);
	REQUIRE(numbers.size() * sizeof(std::size_t) >= limit / 8);
	bool too_many = false;
	try {
		fallow::allocator<page>(a.handle).allocate(SIZE_MAX / 2);
	} catch (const std::bad_array_new_length &) {
		too_many = true;
	}
	REQUIRE(too_many);
}

static void equal_means_of_the_same_arena()
{
	arena a, b;
	fallow::allocator<int> on_a(a.handle), on_b(b.handle), heap;

	REQUIRE(on_a == fallow::allocator<int>(a.handle) && on_a == fallow::allocator<page>(on_a));
	REQUIRE(on_a != on_b && on_a != heap && heap == fallow::allocator<char>());

	// A move and a swap take the memory along, whichever arenas.
	std::vector<int, fallow::allocator<int>> first(1000, 1, on_a), second(2000, 2, on_b);
	const int *of_first = first.data(), *of_second = second.data();
	first.swap(second);
	REQUIRE(first.data() == of_second && first.get_allocator() == on_b && second.get_allocator() == on_a);
	first = std::move(second);
	REQUIRE(first.data() == of_first && first.get_allocator() == on_a);
	// A copy assigned stays where it is.
	std::vector<int, fallow::allocator<int>> third(10, 3, on_b);
	third = first;
	REQUIRE(third.get_allocator() == on_b && third == first);
}

static void alignment_is_the_type_s()
{
	arena a;
	// Before C++17 the language does not promise such types to containers: ask the allocator.
	for (fallow::allocator<page> from : {fallow::allocator<page>(), fallow::allocator<page>(a.handle)}) {
		page *pages[4];
		for (page *&some : pages) {
			fallow::allocator<char>(from).allocate(40000);
			some = from.allocate(2);
			REQUIRE(is_at(some, alignof(page)));
			some[1].bytes[0] = 1;
		}
		for (page *some : pages)
			from.deallocate(some, 2);
	}
}

#ifdef __cpp_lib_memory_resource

static void pmr_containers_live_in_the_arena()
{
	arena a;
	fallow::memory_resource on(a.handle);
	std::pmr::vector<std::pmr::string> lines(&on);

	for (int i = 0; i < 1000; i++)
		lines.emplace_back(100, static_cast<char>('a' + i % 26));
	REQUIRE(lines[27] == std::pmr::string(100, 'b') && lines[27].get_allocator().resource() == &on);
	REQUIRE(fallow_arena_usable_size(a.handle, lines[999].data()) >= 100);
	std::pmr::unordered_map<int, std::pmr::vector<page>> pages(&on);
	pages[1].resize(3);
	REQUIRE(is_at(pages[1].data(), alignof(page)));
	exhausts([&] { pages[2].resize(2 * limit / sizeof(page)); });
	REQUIRE(pages[1].size() == 3);
}

static void pmr_equal_means_of_the_same_arena()
{
	arena a, b;
	fallow::memory_resource on_a(a.handle), again(a.handle), on_b(b.handle), heap, heap_again;

	REQUIRE(on_a == again && heap == heap_again);
	REQUIRE(on_a != on_b && on_a != heap && on_a != *std::pmr::new_delete_resource());
	for (int i = 0; i < 8; i++)
		REQUIRE(is_at(on_a.allocate(100, 64), 64));
	again.deallocate(on_a.allocate(100, 64), 100, 64);
	std::pmr::monotonic_buffer_resource above(&heap);
	REQUIRE(std::pmr::vector<int>(1000, 3, &above).back() == 3);
}

#endif

int main()
{
	containers_live_in_the_arena();
	exhaustion_is_bad_alloc_and_the_container_stays();
	equal_means_of_the_same_arena();
	alignment_is_the_type_s();
#ifdef __cpp_lib_memory_resource
	pmr_containers_live_in_the_arena();
	pmr_equal_means_of_the_same_arena();
	std::puts("with std::pmr");
#endif
}
