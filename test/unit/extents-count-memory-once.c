/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that memory which a huge page brought in for two extents at the same time is counted once, so that a limit does
 * not shrink as threads populate side by side. The other thread's populate happens inside the first one's system call.
 */
#include "diag/options.h"
#include "extent/extent.h"
#include "os/kernel.h"
#include "os/os.h"
#include "test/lib/test.h"

static struct {
	struct fl_region *region;
	size_t granule; /* of the other extent */
} other;

static int populate_other(enum fl_os_call call, int detail)
{
	bool zero;

	if (call != FL_OS_MADVISE || detail != MADV_POPULATE_WRITE)
		return 0;
	fl_os_fault = NULL;
	assert_int_equal(fl_extent_populate(other.region, other.granule, 1, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
	return 0;
}

static size_t marked(const struct fl_region *region)
{
	size_t n = 0;

	for (size_t unit = 0; unit * FL_UNIT_GRANULES < region->frontier; unit++)
		n += (size_t)__builtin_popcountll(region->units[unit].present);
	return n << FL_GRANULE_SHIFT;
}

static void side_by_side_in_a_huge_unit(void **state)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 },
		.reserve = 64 * FL_MIB, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_ALWAYS,
	};
	struct fl_region *region;
	size_t granule;
	bool zero;

	(void)state;
	assert_int_equal(fl_region_create(&options, &region), 0);
	/* Two extents of one unit that is advised to be huge. */
	assert_int_equal(fl_extent_take(region, FL_UNIT_GRANULES, 1, &granule).reason, FALLOW_REASON_NONE);
	fl_extent_put(region, granule, FL_UNIT_GRANULES, 0);
	assert_int_equal(fl_extent_take(region, 3, 1, &granule).reason, FALLOW_REASON_NONE);
	assert_int_equal(fl_extent_take(region, 1, 1, &other.granule).reason, FALLOW_REASON_NONE);
	other.region = region;
	fl_os_fault = populate_other;
	assert_int_equal(fl_extent_populate(region, granule, 3, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
	assert_null(fl_os_fault);
	assert_int_equal(region->present, marked(region));
	assert_true(region->present >= 4 * FL_GRANULE);

	fl_extent_put(region, granule, 3, 3);
	fl_extent_put(region, other.granule, 1, 1);
	fl_extent_purge(region, FL_PURGE_ALL);
	assert_int_equal(region->present, 0);
	fl_region_destroy(region);
}

int main(void)
{
	if (fl_os_page_size() > FL_GRANULE)
		test_skip("pages larger than granules come in one at a time");
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(side_by_side_in_a_huge_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
