/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that an extent is found wherever one is left, in a region whose frontier has nowhere to go: after many units
 * that promise a run of its length and are too short by a little, and in as many pieces as there can be.
 */
#include "diag/options.h"
#include "extent/extent.h"
#include "test/lib/test.h"

#define NUNITS 70

/* A region that is taken whole, unit by unit. */
static struct fl_region *create_full(void)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 },
		.reserve = NUNITS * FL_UNIT, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_NEVER,
	};
	struct fl_region *region;
	size_t granule;

	assert_int_equal(fl_region_create(&options, &region), 0);
	for (size_t unit = 0; unit < NUNITS; unit++) {
		assert_int_equal(fl_extent_take(region, FL_UNIT_GRANULES, 1, &granule).reason, FALLOW_REASON_NONE);
		assert_int_equal(granule, unit * FL_UNIT_GRANULES);
	}
	assert_int_equal(fl_extent_take(region, 1, 1, &granule).reason, FALLOW_REASON_ADDRESS_SPACE);
	return region;
}

static void the_last_place_is_found(void **state)
{
	size_t granule, last = (NUNITS - 1) * FL_UNIT_GRANULES;

	(void)state;
	for (size_t n = 2; n < FL_UNIT_GRANULES; n++) {
		struct fl_region *region = create_full();

		for (size_t unit = 0; unit < NUNITS - 1; unit++)
			fl_extent_put(region, unit * FL_UNIT_GRANULES, n - 1, 0);
		fl_extent_put(region, last + 1, n, 0);
		assert_int_equal(fl_extent_take(region, n + 1, 1, &granule).reason, FALLOW_REASON_ADDRESS_SPACE);
		assert_int_equal(fl_extent_take(region, n, 1, &granule).reason, FALLOW_REASON_NONE);
		assert_int_equal(granule, last + 1);
		assert_int_equal(fl_extent_take(region, n, 1, &granule).reason, FALLOW_REASON_ADDRESS_SPACE);
		fl_region_destroy(region);
	}
}

static void the_last_aligned_place_is_found(void **state)
{
	size_t granule, last = (NUNITS - 1) * FL_UNIT_GRANULES;

	(void)state;
	for (size_t n = 2; n <= FL_UNIT_GRANULES / 2; n++) {
		struct fl_region *region = create_full();

		/* Long enough, but for the alignment. */
		for (size_t unit = 0; unit < NUNITS - 1; unit++)
			fl_extent_put(region, unit * FL_UNIT_GRANULES + 1, n, 0);
		fl_extent_put(region, last + 32, n, 0);
		assert_int_equal(fl_extent_take(region, n, FL_UNIT / 2, &granule).reason, FALLOW_REASON_NONE);
		assert_int_equal(granule, last + 32);
		fl_region_destroy(region);
	}
}

static void all_of_a_region_can_be_had(void **state)
{
	size_t granule;

	(void)state;
	struct fl_region *region = create_full();
	for (size_t unit = 0; unit < NUNITS; unit++)
		fl_extent_put(region, unit * FL_UNIT_GRANULES, FL_UNIT_GRANULES, 0);
	assert_int_equal(fl_extent_take(region, NUNITS * FL_UNIT_GRANULES, 1, &granule).reason, FALLOW_REASON_NONE);
	assert_int_equal(granule, 0);
	assert_int_equal(fl_extent_take(region, 1, 1, &granule).reason, FALLOW_REASON_ADDRESS_SPACE);
	fl_extent_put(region, 0, NUNITS * FL_UNIT_GRANULES, 0);
	assert_int_equal(fl_extent_take(region, NUNITS * FL_UNIT_GRANULES + 1, 1, &granule).reason,
			 FALLOW_REASON_ADDRESS_SPACE);
	fl_region_destroy(region);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_place_is_found),
		cmocka_unit_test(the_last_aligned_place_is_found),
		cmocka_unit_test(all_of_a_region_can_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
