/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that whichever system call of marking pages volatile and of taking them back fails, once or for good, no
 * page loses its content unsaid, that after a failure it can be done again, and that a collapse whose huge page
 * the kernel refuses leaves residency as it was.
 */
#include <errno.h>

#include "os/kernel.h"
#include "test/api/map-kinds.h"
#include "test/fault/inject.h"

#define MiB ((size_t)1 << 20)
#define NPAGES 300
#define NCALLS_MOST 100

static size_t page;

static struct fallow_map *create(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = NPAGES * page;
	options.guard = FALLOW_GUARD_TRAP;
	options.thp = FALLOW_THP_NEVER;
	struct fallow_map *map = map_create(&options);
	/* In two runs, as a walk sees them. */
	assert_int_equal(fallow_map_populate(map, 0, 100 * page, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_populate(map, 200 * page, 100 * page, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(map), 'v', 100 * page);
	memset((char *)fallow_map_base(map) + 200 * page, 'v', 100 * page);
	return map;
}

/* What the kernel was let take is lost, all else is there. */
static void must_tell_the_truth(struct fallow_map *map)
{
	uint64_t lost[NPAGES / 64 + 1];
	size_t nlost;

	assert_int_equal(fallow_volatile_end(map, 0, NPAGES * page, lost, &nlost), 0);
	for (size_t i = 0; i < NPAGES; i++) {
		if ((i < 100 || i >= 200) && !(lost[i / 64] >> (i % 64) & 1))
			assert_true(map_reads((char *)fallow_map_base(map) + i * page, page, 'v'));
	}
	assert_int_equal(map_populated(map), (200 - nlost) * page);
}

/* False: there is no n-th call any more. */
static bool begin_fails(struct fault fault)
{
	struct fallow_map *map = create();

	inject(fault);
	int result = fallow_volatile_begin(map, 0, NPAGES * page);
	bool struck = inject_end() >= fault.nth;
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;
	assert_int_equal(fallow_map_stats(map, &stat), 0);
	/* What MADV_FREE is refused for is volatile and cannot be taken. */
	assert_int_equal(stat.purgeable, result == 0 ? 200 * page : 0);
	madvise(fallow_map_base(map), 200 * page, MADV_PAGEOUT);
	must_tell_the_truth(map);
	fallow_map_destroy(map);
	return struck;
}

static bool end_fails(struct fault fault)
{
	struct fallow_map *map = create();
	uint64_t lost[NPAGES / 64 + 1] = { 7 };
	size_t nlost = 7;

	assert_int_equal(fallow_volatile_begin(map, 0, NPAGES * page), 0);
	madvise((char *)fallow_map_base(map) + 50 * page, 200 * page, MADV_PAGEOUT);
	inject(fault);
	int result = fallow_volatile_end(map, 0, NPAGES * page, lost, &nlost);
	bool struck = inject_end() >= fault.nth;
	if (result != 0) {
		assert_true(lost[0] == 7 && nlost == 7);
		must_tell_the_truth(map);
	} else {
		assert_int_equal(nlost, 100);
		assert_int_equal(lost[0], ~UINT64_C(0) << 50);
	}
	assert_true(map_reads(fallow_map_base(map), 50 * page, 'v'));
	assert_true(map_reads((char *)fallow_map_base(map) + 250 * page, 50 * page, 'v'));
	fallow_map_destroy(map);
	return struck;
}

static void each_call_in_turn(bool (*fails)(struct fault fault))
{
	for (int for_good = 0; for_good <= 1; for_good++) {
		struct fault fault = { .kind = INJECT_ANY, .nth = 1, .for_good = for_good };

		while (fails(fault)) {
			fault.nth++;
			assert_true(fault.nth < NCALLS_MOST);
		}
		print_message("%lu calls\n", fault.nth - 1);
		assert_true(fault.nth > 2);
	}
}

static void marking_fails(void **state)
{
	(void)state;
	each_call_in_turn(begin_fails);
}

static void taking_back_fails(void **state)
{
	(void)state;
	each_call_in_turn(end_fails);
}

/* Whoever has no descriptors left, or no /proc any more, has his pages all the same. */
static void taking_back_needs_no_proc(void **state)
{
	struct fallow_map *map = create();
	size_t nlost;

	(void)state;
	assert_int_equal(fallow_volatile_begin(map, 0, NPAGES * page), 0);
	madvise((char *)fallow_map_base(map) + 50 * page, 200 * page, MADV_PAGEOUT);
	inject((struct fault){ .kind = FL_OS_OPEN, .nth = 1, .for_good = true });
	assert_int_equal(fallow_volatile_begin(map, 0, NPAGES * page), -ENOMEM);
	assert_int_equal(fallow_volatile_end(map, 0, NPAGES * page, NULL, &nlost), 0);
	assert_true(inject_end() >= 2);
	assert_int_equal(nlost, 100);
	assert_int_equal(map_populated(map), 100 * page);
	assert_true(map_reads(fallow_map_base(map), 50 * page, 'v'));
	fallow_map_destroy(map);
}

/* As at the limit of a memory cgroup, where there is no memory for the second huge page. */
static int refuse_second(enum fl_os_call call, int detail)
{
	static int ncollapses;

	return call == FL_OS_MADVISE && detail == MADV_COLLAPSE && ++ncollapses > 1 ? -EBUSY : 0;
}

static void no_huge_page_leaves_no_trace(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map_range ranges[4];
	size_t nranges = 4;

	(void)state;
	options.length = 8 * MiB;
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);
	assert_int_equal(fallow_map_populate(map, MiB, page, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_populate(map, 3 * MiB, page, FALLOW_POPULATE_WRITE), 0);
	base[MiB] = base[3 * MiB] = 'c';
	fl_os_fault = refuse_second;
	assert_int_equal(fallow_map_collapse(map, 0, 8 * MiB), -ENOMEM);
	inject_prepare();
	assert_int_equal(fallow_map_residency(map, 0, 8 * MiB, ranges, &nranges), 0);
	assert_int_equal(nranges, 2);
	assert_true(ranges[0].offset == MiB && ranges[0].length == page);
	assert_true(ranges[1].offset == 3 * MiB && ranges[1].length == page);
	assert_true(base[MiB] == 'c' && base[3 * MiB] == 'c');
	assert_int_equal(map_populated(map), 2 * page);
	fallow_map_destroy(map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(marking_fails),
		cmocka_unit_test(taking_back_fails),
		cmocka_unit_test(taking_back_needs_no_proc),
		cmocka_unit_test(no_huge_page_leaves_no_trace),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	inject_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
