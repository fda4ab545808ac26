/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that all that a populate brought in with a huge page counts as present, but for what others have taken; that a purge
 * gives back what of it nobody took; and that a unit of which something is in stays known for a huge page, so that this is split
 * when a part of it goes: else a memory cgroup stays charged for that part. Units with small pages are to be huge after these.
 */
#include "diag/options.h"
#include "extent/extent.h"
#include "extent/internal.h"
#include "os/os.h"
#include "test/lib/test.h"

#define NTAKEN 4 /* whole pages, up to those of 64 KiB */

static struct fl_region *create(void)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .populate = FALLOW_POPULATE_WRITE, .fd = -1, .node = -1 },
		.reserve = 64 * FL_MIB, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_ALWAYS,
	};
	struct fl_region *region;
	size_t granule;

	assert_int_equal(fl_region_create(&options, &region), 0);
	/* All of the first unit is mapped. */
	assert_int_equal(fl_extent_take(region, FL_UNIT_GRANULES, 1, &granule).reason, FALLOW_REASON_NONE);
	fl_extent_put(region, granule, FL_UNIT_GRANULES, 0);
	return region;
}

static void take(struct fl_region *region, size_t n)
{
	size_t granule;

	assert_int_equal(fl_extent_take(region, n, 1, &granule).reason, FALLOW_REASON_NONE);
	assert_in_range(granule + n, n, FL_UNIT_GRANULES);
}

static void populate(struct fl_region *region)
{
	bool zero;

	assert_int_equal(fl_extent_populate(region, 0, NTAKEN, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
}

static size_t nresident(const struct fl_region *region)
{
	unsigned char pages[FL_UNIT / 4096];
	size_t n = 0;

	assert_int_equal(fl_os_mincore((void *)region->base, FL_UNIT, pages), 0);
	for (size_t i = 0; i < FL_UNIT / fl_os_page_size(); i++)
		n += pages[i] & 1;
	return n * fl_os_page_size();
}

static void all_counts_that_nobody_else_took(void **state)
{
	struct fl_region *region = create();

	(void)state;
	take(region, NTAKEN);
	take(region, 1);
	populate(region);
	if (nresident(region) != FL_UNIT) {
		printf("skipped: no huge page to be had\n");
		skip();
	}
	assert_int_equal(region->present, FL_UNIT - FL_GRANULE);
	fl_extent_purge(region, FL_PURGE_ALL);
	assert_int_equal(region->present, NTAKEN * FL_GRANULE);
	/* What the other one took came with it, and is its to give back. */
	assert_int_equal(nresident(region), (NTAKEN + 1) * FL_GRANULE);
	fl_region_destroy(region);
}

static void small_pages_count_one_by_one(void **state)
{
	struct fl_region *region = create();

	(void)state;
	take(region, NTAKEN);
	fl_thp_refuse(region, 0, fl_bits_mask(0, NTAKEN));
	assert_false(region->units[0].huge);
	populate(region);
	assert_int_equal(region->present, NTAKEN * FL_GRANULE);
	assert_int_equal(nresident(region), NTAKEN * FL_GRANULE);
	fl_region_destroy(region);
}

static void what_may_be_in_stays_huge(void **state)
{
	struct fl_region *region = create();

	(void)state;
	take(region, NTAKEN);
	take(region, 1);
	/* The other one may be about to bring its own in. */
	fl_thp_refuse(region, 0, fl_bits_mask(0, NTAKEN));
	assert_true(region->units[0].huge);
	populate(region);
	fl_thp_refuse(region, 0, fl_bits_mask(NTAKEN, FL_UNIT_GRANULES - NTAKEN));
	assert_true(region->units[0].huge);
	fl_region_destroy(region);
}

/* The frontier passes the size from which on pages are huge in the middle of a unit that has small ones. */
static void small_pages_are_followed_by_huge_ones(void **state)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .populate = FALLOW_POPULATE_WRITE, .fd = -1, .node = -1 },
		.reserve = 64 * FL_MIB, .decay = FL_DECAY_NEVER, .huge_from = FL_UNIT,
	};
	struct fl_region *region;

	(void)state;
	assert_int_equal(fl_region_create(&options, &region), 0);
	take(region, NTAKEN);
	populate(region);
	assert_in_range(region->frontier, NTAKEN, FL_UNIT_GRANULES - 1);
	take(region, FL_UNIT_GRANULES - NTAKEN);
	assert_in_range(region->frontier, FL_UNIT_GRANULES, SIZE_MAX);
	assert_false(region->units[0].huge);
	fl_extent_put(region, 0, FL_UNIT_GRANULES, NTAKEN);
	fl_extent_purge(region, FL_PURGE_ALL);
	assert_int_equal(nresident(region), 0);
	assert_true(region->units[0].huge);
	fl_region_destroy(region);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_counts_that_nobody_else_took),
		cmocka_unit_test(small_pages_count_one_by_one),
		cmocka_unit_test(what_may_be_in_stays_huge),
		cmocka_unit_test(small_pages_are_followed_by_huge_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
