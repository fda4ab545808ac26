/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a held pool which asks for more huge pages than there are keeps none of them, and that growing one beyond
 * what there is changes nothing.
 */
#include <errno.h>

#include <fallow/pool.h>
#include <fallow/stats.h>

#include "test/lib/lives.h"

static void must_be_pool_empty(void)
{
	struct fallow_failure failure;

	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_POOL_EMPTY);
}

static void ask_for_too_many(void *argument)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;
	struct fallow_pool *pool = NULL;
	const long long there = place_free_2m();

	options.mount = argument;
	options.page_size = 2 << 20;
	options.npages = 5;
	must_equal(fallow_pool_create(&options, &pool), -ENOMEM);
	must(pool == NULL);
	must_be_pool_empty();
	must_equal(place_free_2m(), there);

	options.npages = 3;
	must_equal(fallow_pool_create(&options, &pool), 0);
	must_equal(place_free_2m(), there - 3 * (2LL << 20));
	must_equal(fallow_pool_resize(pool, 6), -ENOMEM);
	must_be_pool_empty();
	must_equal(place_free_2m(), there - 3 * (2LL << 20));
	must_equal(fallow_pool_stats(pool, &stat), 0);
	must_equal(stat.npages, 3);
	must_equal(stat.npages_populated, 3);
	must_equal(fallow_pool_resize(pool, 4), 0);
	must_equal(place_free_2m(), there - 4 * (2LL << 20));
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(place_free_2m(), there);
}

static void anonymous(void **state)
{
	static const struct place place = { .huge_2m = 4 };

	(void)state;
	assert_lives(&place, ask_for_too_many, NULL);
}

static void on_a_mount(void **state)
{
	static const struct place place = { .huge_2m = 4, .hugetlbfs = PLACE_UNSIZED };
	static char mount[] = PLACE_HUGETLBFS;

	(void)state;
	assert_lives(&place, ask_for_too_many, mount);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(anonymous),
		cmocka_unit_test(on_a_mount),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
