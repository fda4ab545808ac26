/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a collapse which needs more memory than its cgroup has is told no, with the reason and not with a kill, that
 * what was there stays as it was and nothing else comes in, and that afterwards what does fit can be had.
 */
#include <errno.h>

#include "test/api/map-kinds.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LIMIT (48 * MiB)
#define LENGTH (128 * MiB)
#define UNIT (2 * MiB)

static void must_be_sparse(struct fallow_map *map, size_t page)
{
	static uint64_t bits[LENGTH / 4096 / 64];
	const char *base = fallow_map_base(map);
	size_t n = 0;

	must_equal(fallow_map_bitmap(map, 0, LENGTH, FALLOW_PAGE_POPULATED, bits), 0);
	for (size_t i = 0; i < LENGTH / page / 64; i++)
		n += (size_t)__builtin_popcountll(bits[i]);
	must_equal(n, LENGTH / UNIT);
	for (size_t at = MiB; at < LENGTH; at += UNIT)
		must(map_reads(base + at, page, 's'));
}

static void collapse(void *argument)
{
	struct fallow_map_options options = map_options(argument, LENGTH);
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);
	size_t page = fallow_map_page_size(map);
	struct fallow_failure failure;

	for (size_t at = MiB; at < LENGTH; at += UNIT) {
		must_equal(fallow_map_populate(map, at, page, FALLOW_POPULATE_WRITE), 0);
		memset(base + at, 's', page);
	}
	for (int i = 0; i < 3; i++) {
		must_equal(fallow_map_collapse(map, 0, LENGTH), -ENOMEM);
		must_equal(fallow_last_failure(&failure), 0);
		must(failure.reason == FALLOW_REASON_MEMORY_CGROUP || failure.reason == FALLOW_REASON_SYSTEM_MEMORY);
		must_be_sparse(map, page);
		must_equal(map_populated(map), LENGTH / UNIT * page);
	}
	must_equal(fallow_map_collapse(map, 0, LIMIT / 2), 0);
	must_equal(map_populated(map), LIMIT / 2 + (LENGTH - LIMIT / 2) / UNIT * page);
	must(map_reads(base + MiB, page, 's') && map_reads(base, MiB, 0));
	map_end(map, &options);
}

static void is_told_no(void **state)
{
	struct place place = { .memory_cgroup = LIMIT };

	assert_lives(&place, collapse, *state);
}

int main(void)
{
	static const struct map_kind private = { "anonymous", FALLOW_BACKING_ANON, FALLOW_SHARE_PRIVATE, false };
	static const struct map_kind shared = { "memfd", FALLOW_BACKING_MEMFD, FALLOW_SHARE_SHARED, false };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(is_told_no, (void *)&private),
		cmocka_unit_test_prestate(is_told_no, (void *)&shared),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
