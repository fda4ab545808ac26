/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves when idle memory is given back: not before the decay time, at the next put after it, by the helper when nothing
 * else happens, at once with a decay of 0, never with FL_DECAY_NEVER, and never where a pool holds it. What is taken stays.
 */
#include "extent/decay.h"

#include <string.h>
#include <time.h>

#include "base/poison.h"
#include "diag/options.h"
#include "extent/extent.h"
#include "os/os.h"
#include "test/lib/test.h"

#define DECAY_MS 300
#define NGRANULES 80 /* more than a unit */

static void nap(uint64_t milliseconds)
{
	struct timespec time = { (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static struct fl_region *create(uint64_t decay, bool held)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_MEMFD, .fd = -1, .node = -1 },
		.reserve = 64 * FL_MIB, .decay = decay, .held = held,
	};
	struct fl_region *region;

	assert_int_equal(fl_region_create(&options, &region), 0);
	return region;
}

static size_t take(struct fl_region *region, size_t n)
{
	size_t granule;
	bool zero;

	assert_int_equal(fl_extent_take(region, n, 1, &granule).reason, FALLOW_REASON_NONE);
	assert_int_equal(fl_extent_populate(region, granule, n, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
	memset(fl_granule_address(region, granule), 0xa5, n << FL_GRANULE_SHIFT);
	return granule;
}

static size_t present(const struct fl_region *region)
{
	return __atomic_load_n(&region->present, __ATOMIC_RELAXED) >> FL_GRANULE_SHIFT;
}

/* Of free memory, too. */
FL_TOUCHES_POISON void assert_contents(const struct fl_region *region, size_t granule, size_t n, unsigned char value)
{
	const unsigned char *bytes = fl_granule_address(region, granule);

	for (size_t i = 0; i < n << FL_GRANULE_SHIFT; i += 256)
		assert_int_equal(bytes[i], value);
}

static void not_before_its_time(void **state)
{
	struct fl_region *region = create(DECAY_MS, false);
	size_t kept = take(region, 2), idle = take(region, NGRANULES);
	uint64_t start = fl_os_clock_ms();

	(void)state;
	fl_extent_put(region, idle, NGRANULES, NGRANULES);
	size_t purged = fl_extent_purge(region, FL_PURGE_EXPIRED), left = present(region);
	/* Where the machine was so slow that the time is over, nothing can be said. */
	if (fl_os_clock_ms() - start < DECAY_MS) {
		assert_int_equal(purged, 0);
		assert_int_equal(left, NGRANULES + 2);
	}
	nap(DECAY_MS + 50);
	fl_extent_purge(region, FL_PURGE_EXPIRED);
	assert_int_equal(present(region), 2);
	assert_contents(region, kept, 2, 0xa5);
	assert_contents(region, idle, NGRANULES, 0);
	fl_region_destroy(region);
}

static void the_next_put_gives_back(void **state)
{
	struct fl_region *region = create(DECAY_MS, false);
	size_t n = 2 * FL_UNIT_GRANULES, idle = take(region, n), spacer = take(region, 100), other = take(region, 1);

	(void)state;
	fl_extent_put(region, idle, n, n);
	nap(DECAY_MS + 50);
	assert_int_equal(present(region), n + 101);
	fl_extent_put(region, other, 1, 1);
	/* At most the one just put, whose unit is young, is left of what is idle. */
	assert_in_range(present(region), 100, 101);
	assert_contents(region, spacer, 100, 0xa5);
	fl_region_destroy(region);
}

static void what_is_used_again_stays(void **state)
{
	struct fl_region *region = create(DECAY_MS, false);
	uint64_t start = fl_os_clock_ms();
	size_t granule = take(region, 8);

	(void)state;
	/* Its unit has something put all the time, so it is never idle for long enough. */
	while (fl_os_clock_ms() - start < 2 * DECAY_MS) {
		uint64_t before = fl_os_clock_ms();
		fl_extent_put(region, granule, 8, 8);
		nap(DECAY_MS / 10);
		fl_extent_purge(region, FL_PURGE_EXPIRED);
		if (fl_os_clock_ms() - before < DECAY_MS)
			assert_int_equal(present(region), 8);
		granule = take(region, 8);
	}
	fl_region_destroy(region);
}

static void zero_gives_back_at_once(void **state)
{
	struct fl_region *region = create(0, false);
	size_t granule = take(region, NGRANULES);

	(void)state;
	fl_extent_put(region, granule, NGRANULES, NGRANULES);
	assert_int_equal(present(region), 0);
	assert_contents(region, granule, NGRANULES, 0);
	fl_region_destroy(region);
}

static void never_is_never(void **state)
{
	struct fl_region *region = create(FL_DECAY_NEVER, false);
	size_t granule = take(region, NGRANULES);

	(void)state;
	fl_extent_put(region, granule, NGRANULES, NGRANULES);
	nap(20);
	assert_int_equal(fl_extent_purge(region, FL_PURGE_EXPIRED), 0);
	assert_int_equal(present(region), NGRANULES);
	assert_int_equal(fl_extent_purge(region, FL_PURGE_ALL), NGRANULES << FL_GRANULE_SHIFT);
	assert_int_equal(present(region), 0);
	fl_region_destroy(region);
}

static void what_a_pool_holds_stays(void **state)
{
	struct fl_region *region = create(0, true);
	size_t granule = take(region, NGRANULES);

	(void)state;
	fl_extent_put(region, granule, NGRANULES, NGRANULES);
	assert_int_equal(fl_extent_purge(region, FL_PURGE_ALL), 0);
	assert_int_equal(present(region), NGRANULES);
	fl_region_destroy(region);
}

static void the_helper_gives_back_in_silence(void **state)
{
	struct fl_region *one = create(DECAY_MS, false), *other = create(3 * DECAY_MS, false);
	size_t a = take(one, NGRANULES), b = take(other, NGRANULES), kept = take(one, 1);

	(void)state;
	fl_decay_start();
	uint64_t start = fl_os_clock_ms();
	fl_extent_put(other, b, NGRANULES, NGRANULES);
	fl_extent_put(one, a, NGRANULES, NGRANULES);
	while (present(one) != 1 || present(other) != 0) {
		nap(5);
		assert_true(fl_os_clock_ms() - start < 20000);
	}
	assert_true(fl_os_clock_ms() - start >= 3 * DECAY_MS - 20);
	assert_contents(one, kept, 1, 0xa5);
	assert_true(__atomic_load_n(&one->ndiscards, __ATOMIC_RELAXED) > 0);
	/* A region that goes while the helper waits for it is nothing to the helper. */
	fl_extent_put(one, kept, 1, 1);
	fl_region_destroy(one);
	fl_region_destroy(other);
	nap(DECAY_MS + 50);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_before_its_time),
		cmocka_unit_test(the_next_put_gives_back),
		cmocka_unit_test(what_is_used_again_stays),
		cmocka_unit_test(zero_gives_back_at_once),
		cmocka_unit_test(never_is_never),
		cmocka_unit_test(what_a_pool_holds_stays),
		cmocka_unit_test(the_helper_gives_back_in_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
