/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that where no limit is near the gate costs nothing that could be measured: no file is opened for the first memory
 * of a process, and a reading for the rest of it serves a whole lease.
 */
#include "diag/options.h"
#include "extent/extent.h"
#include "gate/gate.h"
#include "test/lib/test.h"

#define NGRANULES 1024 /* 32 MiB */

static size_t nopened;

static int count_opens(enum fl_os_call call, int detail)
{
	(void)detail;
	nopened += call == FL_OS_OPEN;
	return 0;
}

static struct fl_region *create(void)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 },
		.reserve = FL_GIB,
		.huge_from = FL_GIB,
		.decay = FL_DECAY_NEVER,
	};
	struct fl_region *region;

	assert_int_equal(fl_region_create(&options, &region), 0);
	return region;
}

static void populate(struct fl_region *region, size_t n)
{
	size_t granule;
	bool zero;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(fl_extent_take(region, 1, 1, &granule).reason, FALLOW_REASON_NONE);
		assert_int_equal(fl_extent_populate(region, granule, 1, FL_USE_WRITTEN, &zero).reason, FALLOW_REASON_NONE);
	}
}

static void far_from_limits(void **state)
{
	struct fl_region *region = create();

	(void)state;
	fl_os_fault = count_opens;
	populate(region, 16);
	assert_int_equal(nopened, 0);
	uint64_t start = fl_os_clock_ms();
	populate(region, NGRANULES);
	uint64_t took = fl_os_clock_ms() - start;
	fl_os_fault = NULL;
	assert_true(nopened > 0);
	/* A reading is some files for each group above; leases last a tenth of a second at the least. */
	printf("%zu files opened in %lu ms\n", nopened, (unsigned long)took);
	assert_in_range(nopened, 1, 40 * (2 + took / 100));
	fl_region_destroy(region);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(far_from_limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
