/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a map which is told so gets huge pages: at once from a populate for writing, the huge zero page from one for reading,
 * and in place of scattered small pages from a collapse, which keeps what they hold, counts what it adds, and leaves
 * everything as it was where it cannot be had.
 */
#include <errno.h>

#include "test/api/map-kinds.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (8 * MiB)
#define WORDS (LENGTH / 4096 / 64)

static size_t page;

static size_t count(struct fallow_map *map, size_t offset, size_t length, unsigned int states)
{
	uint64_t bits[WORDS];
	size_t n = 0;

	assert_int_equal(fallow_map_bitmap(map, offset, length, states, bits), 0);
	for (size_t i = 0; i < (length / page + 63) / 64; i++)
		n += (size_t)__builtin_popcountll(bits[i]);
	return n * page;
}

static bool reads(const char *path, const char *text)
{
	char line[128] = "";
	FILE *file = fopen(path, "re");

	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	if (file != NULL)
		fclose(file);
	return strstr(line, text) != NULL;
}

#define THP "/sys/kernel/mm/transparent_hugepage/"

static struct fallow_map *create_advised(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	if (!reads(THP "enabled", "always") || reads(THP "enabled", "[never]") || !reads(THP "use_zero_page", "1")) {
		print_message("skipped: the system is set not to have huge pages\n");
		skip();
	}

	options.length = LENGTH;
	options.thp = FALLOW_THP_ALWAYS;
	return map_create(&options);
}

static void a_write_gets_them_at_once(void **state)
{
	struct fallow_map *map = create_advised();

	(void)state;
	assert_int_equal(fallow_map_populate(map, 2 * MiB, 4 * MiB, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(count(map, 2 * MiB, 4 * MiB, FALLOW_PAGE_HUGE), 4 * MiB);
	assert_int_equal(count(map, 0, LENGTH, FALLOW_PAGE_POPULATED), 4 * MiB);
	fallow_map_destroy(map);
}

static void a_read_costs_nothing(void **state)
{
	struct fallow_map *map = create_advised();

	(void)state;
	assert_int_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_READ), 0);
	assert_true(map_reads(fallow_map_base(map), LENGTH, 0));
	assert_int_equal(count(map, 0, LENGTH, FALLOW_PAGE_ZERO), LENGTH);
	assert_int_equal(count(map, 0, LENGTH, FALLOW_PAGE_HUGE), LENGTH);
	/* What is written becomes memory, and no more than a huge page of it. */
	((char *)fallow_map_base(map))[3 * MiB] = 'w';
	assert_in_range(count(map, 0, LENGTH, FALLOW_PAGE_ZERO), LENGTH - 2 * MiB, LENGTH - page);
	fallow_map_destroy(map);
}

static bool can_collapse(const struct map_kind *kind)
{
	return kind->share == FALLOW_SHARE_SHARED ? kind->backing != FALLOW_BACKING_FILE || kind->on_tmpfs :
						    kind->backing == FALLOW_BACKING_ANON;
}

/* A page of each huge page but the last, and one huge page cut in two by the range's start. */
static void collapses(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);

	for (size_t at = MiB; at < 6 * MiB; at += 2 * MiB) {
		assert_int_equal(fallow_map_populate(map, at, page, FALLOW_POPULATE_WRITE), 0);
		memset(base + at, 'x', page);
	}
	int result = fallow_map_collapse(map, MiB, 6 * MiB);
	assert_int_equal(result, can_collapse(kind) ? 0 : -EOPNOTSUPP);
	if (result == 0) {
		assert_int_equal(count(map, 2 * MiB, 4 * MiB, FALLOW_PAGE_HUGE), 4 * MiB);
		assert_int_equal(count(map, 0, LENGTH, FALLOW_PAGE_HUGE), 4 * MiB);
		assert_true(map_reads(base + 2 * MiB, MiB, 0));
		assert_true(map_reads(base + 3 * MiB + page, MiB - page, 0));
	}
	assert_int_equal(map_populated(map), result == 0 ? 4 * MiB + page : 3 * page);
	for (size_t at = MiB; at < 6 * MiB; at += 2 * MiB)
		assert_true(map_reads(base + at, page, 'x'));
	assert_int_equal(map_touch(base + 7 * MiB), guard ? SIGSEGV : 0);
	assert_int_equal(map_touch(base), guard ? SIGSEGV : 0);
	/* Again is as good as once. */
	assert_int_equal(fallow_map_collapse(map, MiB, 6 * MiB), result);
	assert_int_equal(fallow_map_discard(map, 0, LENGTH), 0);
	assert_int_equal(map_populated(map), 0);
	map_end(map, &options);
}

static void every_kind_collapses_or_says_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		collapses(&map_kinds[i], FALLOW_GUARD_NONE);
		collapses(&map_kinds[i], FALLOW_GUARD_TRAP);
	}
	/* Pages of the pool are huge already; none is needed to be told. */
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map;
	options.backing = FALLOW_BACKING_HUGETLB;
	options.length = 1;
	if (fallow_map_create(&options, &map) == 0) {
		assert_int_equal(fallow_map_collapse(map, 0, fallow_map_size(map)), -EOPNOTSUPP);
		fallow_map_destroy(map);
	}
}

static void what_cannot_be_leaves_all_as_it_was(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_failure failure;

	(void)state;
	options.length = LENGTH;
	options.limit = 3 * MiB;
	struct fallow_map *map = map_create(&options);
	assert_int_equal(fallow_map_populate(map, MiB, page, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_collapse(map, 0, 4 * MiB), -ENOMEM);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_MAP_LIMIT);
	assert_int_equal(count(map, 0, LENGTH, FALLOW_PAGE_POPULATED), page);
	assert_int_equal(fallow_map_collapse(map, 0, 2 * MiB), 0);
	assert_int_equal(map_populated(map), 2 * MiB);
	assert_int_equal(fallow_map_collapse(map, page, 2 * MiB), 0);
	assert_int_equal(fallow_map_collapse(map, 1, page), -EINVAL);
	assert_int_equal(fallow_map_collapse(map, 0, LENGTH + page), -EINVAL);
	assert_int_equal(fallow_map_collapse(map, page, SIZE_MAX - page + 1), -EINVAL);
	assert_int_equal(fallow_map_collapse(NULL, 0, page), -EINVAL);
	fallow_map_destroy(map);

	options.limit = 0;
	options.thp = FALLOW_THP_NEVER;
	map = map_create(&options);
	assert_int_equal(fallow_map_populate(map, MiB, page, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_collapse(map, 0, 4 * MiB), -EOPNOTSUPP);
	assert_int_equal(count(map, 0, LENGTH, FALLOW_PAGE_POPULATED), page);
	assert_int_equal(map_populated(map), page);
	fallow_map_destroy(map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_gets_them_at_once),
		cmocka_unit_test(a_read_costs_nothing),
		cmocka_unit_test(every_kind_collapses_or_says_so),
		cmocka_unit_test(what_cannot_be_leaves_all_as_it_was),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
