/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every kind of map, with a guard and without, that populate brings in its range and no other and keeps what
 * is there, that discard gives memory back and leaves zeros, that what is counted is what was asked for, and that with
 * a guard a touch of anything else is SIGSEGV.
 */
#include <errno.h>
#include <signal.h>

#include "test/api/map-kinds.h"

#define PAGES(n) ((n) * page)
#define NPAGES 3000

static size_t page;

static size_t count(struct fallow_map *map, size_t offset, size_t length, unsigned int states)
{
	uint64_t bits[NPAGES / 64 + 1];
	size_t n = 0;

	assert_int_equal(fallow_map_bitmap(map, offset, length, states, bits), 0);
	for (size_t i = 0; i < (length / page + 63) / 64; i++)
		n += (size_t)__builtin_popcountll(bits[i]);
	return n;
}

static void populates(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, PAGES(NPAGES));
	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);

	assert_int_equal(fallow_map_size(map), PAGES(NPAGES));
	assert_int_equal(count(map, 0, PAGES(NPAGES), FALLOW_PAGE_POPULATED), 0);
	assert_int_equal(fallow_map_populate(map, PAGES(700), PAGES(20), FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(count(map, PAGES(700), PAGES(20), FALLOW_PAGE_POPULATED), 20);
	assert_int_equal(count(map, 0, PAGES(NPAGES), FALLOW_PAGE_POPULATED), 20);
	memset(base + PAGES(700), 0x5a, PAGES(20));

	/* What overlaps keeps its content and counts once. */
	assert_int_equal(fallow_map_populate(map, PAGES(690), PAGES(20), FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(map_populated(map), PAGES(30));
	assert_true(map_reads(base + PAGES(690), PAGES(10), 0));
	assert_true(map_reads(base + PAGES(700), PAGES(20), 0x5a));

	assert_int_equal(fallow_map_discard(map, PAGES(705), PAGES(5)), 0);
	assert_int_equal(map_populated(map), PAGES(25));
	assert_int_equal(count(map, PAGES(705), PAGES(5), ~0u), 0);
	assert_true(map_reads(base + PAGES(700), PAGES(5), 0x5a));
	assert_true(map_reads(base + PAGES(710), PAGES(10), 0x5a));
	assert_int_equal(map_touch(base + PAGES(705)), guard ? SIGSEGV : 0);
	assert_int_equal(map_touch(base + PAGES(700)), 0);
	assert_int_equal(map_touch(base + PAGES(720)), guard ? SIGSEGV : 0);
	assert_int_equal(map_touch(base + PAGES(NPAGES) - 1), guard ? SIGSEGV : 0);

	assert_int_equal(fallow_map_populate(map, PAGES(705), PAGES(5), FALLOW_POPULATE_READ), 0);
	assert_true(map_reads(base + PAGES(705), PAGES(5), 0));
	/* Twice is as good as once, and may span what was never populated. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(fallow_map_discard(map, 0, PAGES(NPAGES)), 0);
	assert_int_equal(map_populated(map), 0);
	assert_int_equal(count(map, 0, PAGES(NPAGES), FALLOW_PAGE_POPULATED), 0);
	assert_int_equal(map_touch(base + PAGES(700)), guard ? SIGSEGV : 0);
	map_end(map, &options);
}

static void every_kind(void **state)
{
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		populates(&map_kinds[i], *(const enum fallow_guard *)*state);
	}
}

/* Storage, and no page. */
static void allocates(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(NPAGES));
		struct fallow_map *map = map_create(&options);
		bool can = map_kinds[i].share == FALLOW_SHARE_SHARED;

		assert_int_equal(fallow_map_populate(map, PAGES(8), PAGES(8), FALLOW_POPULATE_ALLOCATE), can ? 0 : -EOPNOTSUPP);
		assert_int_equal(count(map, 0, PAGES(NPAGES), FALLOW_PAGE_POPULATED), 0);
		assert_int_equal(map_populated(map), can ? PAGES(8) : 0);
		map_end(map, &options);
	}
}

/* A private map's writes stay its own; a shared one's are the file's, and stay when the map is gone. */
static void files_keep_what_is_theirs(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], 0);
		bool shared = map_kinds[i].share == FALLOW_SHARE_SHARED;
		char byte = 'x';

		if (options.fd < 0)
			continue;
		assert_int_equal(pwrite(options.fd, &byte, 1, (off_t)PAGES(9)), 1);
		struct fallow_map *map = map_create(&options);
		char *base = fallow_map_base(map);
		assert_int_equal(fallow_map_size(map), PAGES(10));
		assert_int_equal(base[PAGES(9)], 'x');
		assert_int_equal(fallow_map_populate(map, 0, PAGES(10), FALLOW_POPULATE_AUTO), 0);
		base[PAGES(9)] = 'y';
		assert_int_equal(pread(options.fd, &byte, 1, (off_t)PAGES(9)), 1);
		assert_int_equal(byte, shared ? 'y' : 'x');
		assert_int_equal(fallow_map_discard(map, PAGES(9), PAGES(1)), 0);
		assert_int_equal(base[PAGES(9)], shared ? 0 : 'x');
		/* The last page was there in part; the file is as long as it was. */
		assert_int_equal(lseek(options.fd, 0, SEEK_END), PAGES(9) + 1);
		fallow_map_destroy(map);
		close(options.fd);
	}
}

int main(void)
{
	static enum fallow_guard none = FALLOW_GUARD_NONE, trap = FALLOW_GUARD_TRAP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(every_kind, &none),
		cmocka_unit_test_prestate(every_kind, &trap),
		cmocka_unit_test(allocates),
		cmocka_unit_test(files_keep_what_is_theirs),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
