/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that every misuse of the pool calls which the header names is answered as it says, with nothing kept.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <fallow/pool.h>

#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)

static struct fallow_pool_options options(void)
{
	struct fallow_pool_options usual = FALLOW_POOL_OPTIONS_INIT;

	usual.npages = 1;
	return usual;
}

static void must_be_refused(const struct fallow_pool_options *bad, int error)
{
	struct fallow_pool *pool = NULL;

	must_equal(fallow_pool_create(bad, &pool), error);
	must(pool == NULL);
	must_equal(place_free_2m(), 4 * (2LL << 20));
}

/* Within the range of numbers, but not on this machine. */
static int a_node_that_is_not(void)
{
	char path[64];
	int node = 0;

	do
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", ++node);
	while (access(path, F_OK) == 0);
	return node;
}

static void misuse(void *argument)
{
	struct fallow_pool_options bad;
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;
	struct fallow_pool *pool = NULL;
	int wrong = 99;

	(void)argument;
	bad = options();
	bad.size = 0;
	must_be_refused(&bad, -EINVAL);
	bad.size = sizeof(bad) + 8;
	must_be_refused(&bad, -EINVAL);
	bad = options();
	bad.npages = 0;
	must_be_refused(&bad, -EINVAL);
	bad.npages = SIZE_MAX;
	must_be_refused(&bad, -EINVAL);
	bad = options();
	bad.page_size = 4096;
	must_be_refused(&bad, -EINVAL);
	bad.page_size = 3 * MiB;
	must_be_refused(&bad, -EINVAL);
	bad = options();
	bad.backing = FALLOW_BACKING_ANON;
	must_be_refused(&bad, -EINVAL);
	bad.backing = FALLOW_BACKING_FILE;
	must_be_refused(&bad, -EINVAL);
	bad = options();
	memcpy(&bad.supply, &wrong, sizeof(wrong));
	must_be_refused(&bad, -EINVAL);
	bad = options();
	bad.node = 4000;
	must_be_refused(&bad, -EINVAL);
	bad.node = -2;
	must_be_refused(&bad, -EINVAL);
	bad.node = a_node_that_is_not();
	must_be_refused(&bad, -EINVAL);
	bad.supply = FALLOW_POOL_ON_DEMAND;
	must_be_refused(&bad, -EINVAL);
	bad.mount = PLACE_HUGETLBFS;
	must_be_refused(&bad, -EINVAL);
	bad = options();
	bad.mount = "/nowhere/at/all";
	must_be_refused(&bad, -ENOENT);
	bad.mount = "/proc/self/maps";
	must_be_refused(&bad, -ENOTDIR);
	bad.mount = PLACE_TMPFS;
	must_be_refused(&bad, -ENODEV);
	bad.mount = PLACE_HUGETLBFS;
	bad.page_size = (size_t)1 << 30; /* the mount's is 2 MiB */
	must_be_refused(&bad, -EINVAL);

	bad = options();
	bad.mount = PLACE_HUGETLBFS;
	must_equal(fallow_pool_create(&bad, &pool), 0);
	stat.size = 0;
	must_equal(fallow_pool_stats(pool, &stat), -EINVAL);
	stat.size = sizeof(stat) + 8;
	must_equal(fallow_pool_stats(pool, &stat), -EINVAL);
	must_equal(fallow_pool_resize(pool, 0), -EINVAL);
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(fallow_pool_destroy(NULL), 0);
}

static void is_refused(void **state)
{
	static const struct place place = { .huge_2m = 4, .hugetlbfs = PLACE_UNSIZED, .tmpfs = MiB };

	(void)state;
	assert_lives(&place, misuse, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(is_refused) };

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
