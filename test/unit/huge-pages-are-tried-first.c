/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that memory is advised to be huge from the size on that was asked for, that one unit of each step of growth is
 * brought in and timed first, and that the others follow its verdict: all of them, or none until the region has doubled.
 */
#include <errno.h>

#include "diag/options.h"
#include "extent/extent.h"
#include "os/kernel.h"
#include "os/os.h"
#include "test/lib/test.h"

#define HUGE_FROM (8 * FL_MIB)
#define SLOW_NS 2000000

static unsigned int ntrials;

static int slow(enum fl_os_call call, int detail)
{
	uint64_t from = fl_os_cpu_ns();

	if (call == FL_OS_MADVISE && detail == MADV_POPULATE_WRITE) {
		ntrials++;
		while (fl_os_cpu_ns() - from < SLOW_NS)
			;
	}
	return 0;
}

/* The call fails, which takes no time. */
static int fast(enum fl_os_call call, int detail)
{
	if (call != FL_OS_MADVISE || detail != MADV_POPULATE_WRITE)
		return 0;
	ntrials++;
	return -EINVAL;
}

static struct fl_region *create(enum fallow_thp thp)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .populate = FALLOW_POPULATE_NONE, .fd = -1, .node = -1 },
		.reserve = FL_GIB, .decay = FL_DECAY_NEVER, .thp = thp, .huge_from = thp == FALLOW_THP_ALWAYS ? 0 : HUGE_FROM,
	};
	struct fl_region *region;

	ntrials = 0;
	assert_int_equal(fl_region_create(&options, &region), 0);
	return region;
}

/* Take until the frontier is at bytes or beyond. */
static void grow(struct fl_region *region, size_t bytes)
{
	size_t granule;
	bool zero;

	while (region->frontier << FL_GRANULE_SHIFT < bytes) {
		assert_int_equal(fl_extent_take(region, FL_UNIT_GRANULES, 1, &granule).reason, FALLOW_REASON_NONE);
		assert_int_equal(fl_extent_populate(region, granule, FL_UNIT_GRANULES, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
	}
}

static size_t nhuge(const struct fl_region *region)
{
	size_t n = 0;

	for (size_t unit = 0; unit < region->frontier / FL_UNIT_GRANULES; unit++)
		n += region->units[unit].huge;
	return n;
}

static void not_before_they_are_worth_it(void **state)
{
	struct fl_region *region = create(FALLOW_THP_AUTO);

	(void)state;
	fl_os_fault = fast;
	grow(region, HUGE_FROM / 2);
	assert_int_equal(ntrials, 0);
	assert_int_equal(nhuge(region), 0);
	fl_os_fault = NULL;
	fl_region_destroy(region);
}

static void all_where_the_trial_is_fast(void **state)
{
	struct fl_region *region = create(FALLOW_THP_AUTO);

	(void)state;
	fl_os_fault = fast;
	grow(region, 8 * HUGE_FROM);
	fl_os_fault = NULL;
	assert_true(ntrials > 1);
	/* What was mapped before counts as small, and what no take has come to as untried. */
	assert_true(nhuge(region) >= (8 * HUGE_FROM - 2 * HUGE_FROM) / FL_UNIT);
	fl_region_destroy(region);
}

static void none_where_it_is_slow(void **state)
{
	struct fl_region *region = create(FALLOW_THP_AUTO);

	(void)state;
	fl_os_fault = slow;
	grow(region, HUGE_FROM + FL_UNIT);
	assert_int_equal(ntrials, 1);
	assert_int_equal(nhuge(region), 1);
	size_t tried_at = region->frontier;
	grow(region, (3 * tried_at / 2) << FL_GRANULE_SHIFT);
	assert_int_equal(ntrials, 1);
	grow(region, 3 * tried_at << FL_GRANULE_SHIFT);
	assert_int_equal(ntrials, 2);
	fl_os_fault = NULL;
	fl_region_destroy(region);
}

static void always_needs_no_trial(void **state)
{
	struct fl_region *region = create(FALLOW_THP_ALWAYS);

	(void)state;
	fl_os_fault = slow;
	grow(region, HUGE_FROM);
	fl_os_fault = NULL;
	assert_int_equal(ntrials, 0);
	assert_int_equal(nhuge(region), region->frontier / FL_UNIT_GRANULES);
	fl_region_destroy(region);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_before_they_are_worth_it),
		cmocka_unit_test(all_where_the_trial_is_fast),
		cmocka_unit_test(none_where_it_is_slow),
		cmocka_unit_test(always_needs_no_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
