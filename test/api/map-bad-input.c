/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that every misuse of the map calls which the header names is answered as it says, and leaves the map unharmed.
 */
#include <errno.h>

#include "test/api/map-kinds.h"

#define NPAGES 16

static size_t page;

static void assert_refused(struct fallow_map_options options, int expected)
{
	struct fallow_map *map = NULL;

	assert_int_equal(fallow_map_create(&options, &map), expected);
	assert_null(map);
}

static void impossible_maps_are_refused(void **state)
{
	struct fallow_map_options usual = FALLOW_MAP_OPTIONS_INIT, bad;
	struct fallow_map *map;
	int pipes[2], wrong = 99;

	(void)state;
	usual.length = NPAGES * page;
	assert_int_equal(fallow_map_create(NULL, &map), -EINVAL);
	assert_int_equal(fallow_map_create(&usual, NULL), -EINVAL);
	bad = usual;
	bad.size = 0;
	assert_refused(bad, -EINVAL);
	bad.size = sizeof(bad) + 8;
	assert_refused(bad, -EINVAL);
	bad = usual;
	bad.length = 0;
	assert_refused(bad, -EINVAL);
	bad.length = SIZE_MAX;
	assert_refused(bad, -ENOMEM);
	bad = usual;
	bad.reserve = SIZE_MAX;
	assert_refused(bad, -ENOMEM);
	bad = usual;
	bad.page_size = 3 * page;
	assert_refused(bad, -EINVAL);
	bad = usual;
	bad.limit = page - 1;
	assert_refused(bad, -EINVAL);
	bad = usual;
	bad.node = -2;
	assert_refused(bad, -EINVAL);
	bad = usual;
	memcpy(&bad.guard, &wrong, sizeof(wrong));
	assert_refused(bad, -EINVAL);
	bad = usual;
	memcpy(&bad.backing, &wrong, sizeof(wrong));
	assert_refused(bad, -EINVAL);
	bad = usual;
	bad.populate = FALLOW_POPULATE_ALLOCATE;
	assert_refused(bad, -EOPNOTSUPP);
	bad = usual;
	bad.backing = FALLOW_BACKING_FILE;
	assert_refused(bad, -EBADF);
	bad.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_refused(bad, -EACCES);
	close(bad.fd);
	assert_int_equal(pipe(pipes), 0);
	bad.fd = pipes[1];
	assert_refused(bad, -ENODEV);
	close(pipes[0]);
	close(pipes[1]);
	fallow_map_destroy(NULL);
}

static void impossible_ranges_are_refused(void **state)
{
	struct fallow_map_options options = map_options(&map_kinds[0], NPAGES * page);
	struct fallow_map *map = map_create(&options);
	const struct {
		size_t offset, length;
	} bad[] = {
		{ 1, page }, { 0, page + 1 }, { NPAGES * page, page }, { 0, (NPAGES + 1) * page }, { page, SIZE_MAX - page + 1 },
		{ SIZE_MAX - page + 1, page }, { (NPAGES + 1) * page, 0 }, { 1, 0 },
	};
	struct fallow_map_range range;
	uint64_t bits;

	(void)state;
	assert_int_equal(fallow_map_populate(map, 0, page, FALLOW_POPULATE_WRITE), 0);
	*(char *)fallow_map_base(map) = 'x';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t one = 1;

		assert_int_equal(fallow_map_populate(map, bad[i].offset, bad[i].length, FALLOW_POPULATE_WRITE), -EINVAL);
		assert_int_equal(fallow_map_discard(map, bad[i].offset, bad[i].length), -EINVAL);
		assert_int_equal(fallow_map_residency(map, bad[i].offset, bad[i].length, &range, &one), -EINVAL);
		assert_int_equal(fallow_map_bitmap(map, bad[i].offset, bad[i].length, 1, &bits), -EINVAL);
	}
	assert_int_equal(fallow_map_populate(map, NPAGES * page, 0, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_discard(map, 0, 0), 0);
	assert_int_equal(map_populated(map), page);
	assert_int_equal(*(char *)fallow_map_base(map), 'x');
	map_end(map, &options);
}

static void impossible_wishes_are_refused(void **state)
{
	struct fallow_map_options options = map_options(&map_kinds[0], NPAGES * page);
	struct fallow_map *map = map_create(&options);
	struct fallow_populate_options populate = FALLOW_POPULATE_OPTIONS_INIT;
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;
	struct fallow_map_range range;
	size_t none = 0;

	(void)state;
	assert_int_equal(fallow_map_populate(map, 0, page, FALLOW_POPULATE_NONE), -EINVAL);
	assert_int_equal(fallow_map_populate(map, 0, page, (enum fallow_populate)99), -EINVAL);
	assert_int_equal(fallow_map_populate_with(map, 0, page, NULL), -EINVAL);
	populate.size++;
	assert_int_equal(fallow_map_populate_with(map, 0, page, &populate), -EINVAL);
	assert_int_equal(fallow_map_residency(map, 0, page, &range, &none), -EINVAL);
	assert_int_equal(fallow_map_residency(map, 0, page, NULL, &none), -EINVAL);
	assert_int_equal(fallow_map_bitmap(map, 0, page, 1, NULL), -EINVAL);
	assert_int_equal(fallow_map_resize(map, 0), -EINVAL);
	assert_int_equal(fallow_map_resize(map, SIZE_MAX), -EINVAL);
	assert_int_equal(fallow_map_set_limit(map, 1), -EINVAL);
	stat.size++;
	assert_int_equal(fallow_map_stats(map, &stat), -EINVAL);
	assert_int_equal(map_populated(map), 0);
	map_end(map, &options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_maps_are_refused),
		cmocka_unit_test(impossible_ranges_are_refused),
		cmocka_unit_test(impossible_wishes_are_refused),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
