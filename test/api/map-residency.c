/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every kind of map that residency agrees with the kernel page by page, as ranges and as a bitmap: what is
 * in the page table with /proc/self/pagemap, what is in the page cache only with mincore, zero pages and huge pages
 * with how they were made; and that a listing can be taken in parts.
 */
#include <errno.h>

#include "test/api/map-kinds.h"

#define NPAGES 2048
#define PRESENT ((uint64_t)1 << 63)

static size_t page;

/* What the kernel says of a page when asked one by one. */
static unsigned int ask(int pagemap, const char *address, bool cache)
{
	unsigned char incore = 0;
	uint64_t entry;

	must_equal(pread(pagemap, &entry, 8, (off_t)((uintptr_t)address / page * 8)), 8);
	if (entry & PRESENT)
		return FALLOW_PAGE_POPULATED;
	if (cache)
		must_equal(mincore((void *)(uintptr_t)address, page, &incore), 0);
	return incore & 1 ? FALLOW_PAGE_CACHED : 0;
}

/* Listed in parts of a few ranges: unfold them into a state a page. */
static void list(struct fallow_map *map, size_t room, unsigned int *states)
{
	struct fallow_map_range ranges[64];
	size_t at = 0, end = NPAGES * page, n = room, last = 0;

	memset(states, 0, NPAGES * sizeof(*states));
	while (n == room && at < end) {
		must_equal(fallow_map_residency(map, at, end - at, ranges, &n), 0);
		for (size_t i = 0; i < n; i++) {
			must(ranges[i].offset >= last && ranges[i].length > 0 && ranges[i].states != 0);
			last = ranges[i].offset + ranges[i].length;
			for (size_t offset = ranges[i].offset; offset < last; offset += page)
				states[offset / page] = ranges[i].states;
		}
		if (n != 0)
			at = ranges[n - 1].offset + ranges[n - 1].length;
	}
}

static void agrees(const struct map_kind *kind, enum fallow_guard guard)
{
	static unsigned int states[NPAGES], again[NPAGES];
	struct fallow_map_options options = map_options(kind, NPAGES * page);
	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	const char *base = fallow_map_base(map);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t bits[NPAGES / 64];
	size_t npopulated = 0;

	for (size_t i = 0; i < NPAGES; i += 64 + i / 8)
		assert_int_equal(fallow_map_populate(map, i * page, (1 + i % 7) * page, i & 1 ? FALLOW_POPULATE_READ : 0), 0);
	if (options.fd >= 0)
		assert_int_equal(pwrite(options.fd, "x", 1, (off_t)(500 * page)), 1);
	list(map, 64, states);
	list(map, 2, again);
	assert_memory_equal(states, again, sizeof(states));
	assert_int_equal(fallow_map_bitmap(map, 0, NPAGES * page, FALLOW_PAGE_POPULATED, bits), 0);
	for (size_t i = 0; i < NPAGES; i++) {
		unsigned int truth = ask(pagemap, base + i * page, kind->backing != FALLOW_BACKING_ANON || kind->share == FALLOW_SHARE_SHARED);

		if ((states[i] & (FALLOW_PAGE_POPULATED | FALLOW_PAGE_CACHED)) != truth)
			fail_msg("page %zu: %x, not %x", i, states[i], truth);
		assert_int_equal(bits[i / 64] >> i % 64 & 1, truth == FALLOW_PAGE_POPULATED);
		npopulated += truth == FALLOW_PAGE_POPULATED;
	}
	assert_true(npopulated * page >= map_populated(map));
	if (options.fd >= 0)
		assert_int_equal(states[500] & ~(unsigned int)FALLOW_PAGE_POPULATED, states[500] & FALLOW_PAGE_POPULATED ? 0 : FALLOW_PAGE_CACHED);
	close(pagemap);
	map_end(map, &options);
}

static void every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		agrees(&map_kinds[i], FALLOW_GUARD_NONE);
		agrees(&map_kinds[i], FALLOW_GUARD_TRAP);
	}
}

/* Kernels that do not tell have no scan (6.7). */
static void zero_and_huge_pages_are_told_apart(void **state)
{
	struct fallow_map_options options = map_options(&map_kinds[0], 8 << 20);
	struct fallow_map_range ranges[8];
	size_t n = 8, huge = (size_t)2 << 20;

	(void)state;
	options.thp = FALLOW_THP_ALWAYS;
	struct fallow_map *map = map_create(&options);
	options.thp = FALLOW_THP_NEVER;
	struct fallow_map *small = map_create(&options);
	assert_int_equal(fallow_map_populate(map, huge, huge, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_populate(small, 0, huge, FALLOW_POPULATE_READ), 0);
	assert_int_equal(fallow_map_populate(small, huge, huge, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_residency(small, 0, 2 * huge, ranges, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ranges[0].states, FALLOW_PAGE_POPULATED | FALLOW_PAGE_ZERO);
	assert_int_equal(ranges[1].states, FALLOW_PAGE_POPULATED);
	n = 8;
	assert_int_equal(fallow_map_residency(map, 0, 4 * huge, ranges, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ranges[0].offset, huge);
	assert_int_equal(ranges[0].length, huge);
	assert_int_equal(ranges[0].states, FALLOW_PAGE_POPULATED | FALLOW_PAGE_HUGE);
	map_end(small, &options);
	map_end(map, &options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(zero_and_huge_pages_are_told_apart),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
