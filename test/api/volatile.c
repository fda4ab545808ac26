/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that volatile pages which the kernel is told to take are reported as lost and read as zero, that all others
 * survive with their content, and that nothing else of the map changes: for pages of zeros, for huge pages, with a guard, for pages that
 * were written, populated, discarded or cut off meanwhile, and in a child of fork. On maps that the kernel does not
 * take from, that it is said.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "test/api/map-kinds.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* 5.4 */
#endif

#define NPAGES 1200
#define WORDS (NPAGES / 64 + 1)
#define PAGES(n) ((n) * page)

static size_t page;

static struct fallow_map *create(enum fallow_guard guard)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = PAGES(NPAGES);
	options.guard = guard;
	/* A huge page is taken as a whole, or not. */
	options.thp = FALLOW_THP_NEVER;
	return map_create(&options);
}

static char *at(struct fallow_map *map, size_t number)
{
	return (char *)fallow_map_base(map) + PAGES(number);
}

/* Populate pages and fill each with something else. */
static void fill(struct fallow_map *map, size_t first, size_t end)
{
	must_equal(fallow_map_populate(map, PAGES(first), PAGES(end - first), FALLOW_POPULATE_WRITE), 0);
	for (size_t i = first; i < end; i++)
		memset(at(map, i), (int)(i % 127 + 1), page);
}

static bool is_filled(struct fallow_map *map, size_t number)
{
	return map_reads(at(map, number), page, (char)(number % 127 + 1));
}

/* As the kernel does when memory is short: what is volatile and was not written is gone. */
static void take(struct fallow_map *map, size_t first, size_t end)
{
	must_equal(madvise(at(map, first), PAGES(end - first), MADV_PAGEOUT), 0);
}

static size_t purgeable(struct fallow_map *map)
{
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;

	must_equal(fallow_map_stats(map, &stat), 0);
	return stat.purgeable;
}

/* End all, and check that of the pages that are filled exactly those of [first, end) are lost. */
static void ends_without(struct fallow_map *map, size_t from, size_t to, size_t first, size_t end)
{
	uint64_t lost[WORDS + 1];
	size_t nlost = 0;

	memset(lost, 0x5a, sizeof(lost));
	must_equal(fallow_volatile_end(map, 0, PAGES(NPAGES), lost, &nlost), 0);
	must_equal(nlost, end - first);
	for (size_t i = 0; i < NPAGES; i++)
		must_equal(lost[i / 64] >> (i % 64) & 1, first <= i && i < end);
	must_equal(lost[WORDS - 1] >> NPAGES % 64, 0);
	must_equal(lost[WORDS], 0x5a5a5a5a5a5a5a5a);
	for (size_t i = from; i < to; i++)
		must(first <= i && i < end ? true : is_filled(map, i));
	must_equal(purgeable(map), 0);
}

static void says_what_is_lost(void **state)
{
	enum fallow_guard guard = *(enum fallow_guard *)*state;
	struct fallow_map *map = create(guard);

	fill(map, 100, 1000);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
	assert_int_equal(purgeable(map), PAGES(900));
	take(map, 300, 700);
	assert_int_equal(map_populated(map), PAGES(900));
	ends_without(map, 100, 1000, 300, 700);
	assert_int_equal(map_populated(map), PAGES(500));
	assert_int_equal(map_touch(at(map, 300)), guard ? SIGSEGV : 0);
	assert_int_equal(map_touch(at(map, 699)), guard ? SIGSEGV : 0);
	if (!guard)
		assert_true(map_reads(at(map, 300), PAGES(400), 0));

	/* What was taken back stays, and what was lost can be had again. */
	take(map, 100, 300);
	assert_true(is_filled(map, 100) && is_filled(map, 299));
	fill(map, 300, 700);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
	ends_without(map, 100, 1000, 0, 0);
	fallow_map_destroy(map);
}

/* A page of zeros survives or is lost; it reads as zero in any case. One word is enough to know a page by. */
static void knows_pages_by_little(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_NONE);
	uint64_t lost[1];
	size_t nlost;

	(void)state;
	assert_int_equal(fallow_map_populate(map, 0, PAGES(4), FALLOW_POPULATE_WRITE), 0);
	at(map, 1)[0] = 'a';
	at(map, 2)[page - 1] = 'z';
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(4)), 0);
	assert_int_equal(fallow_volatile_end(map, 0, PAGES(4), lost, &nlost), 0);
	assert_int_equal(lost[0], 0);
	assert_int_equal(map_populated(map), PAGES(4));
	assert_true(at(map, 1)[0] == 'a' && at(map, 2)[page - 1] == 'z');

	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(4)), 0);
	take(map, 0, 4);
	/* To read is not to bring back. */
	assert_true(map_reads(at(map, 0), PAGES(4), 0));
	assert_int_equal(fallow_volatile_end(map, 0, PAGES(4), lost, NULL), 0);
	assert_int_equal(lost[0], 0xf);
	assert_int_equal(map_populated(map), 0);
	fallow_map_destroy(map);
}

static void writes_share_the_fate_of_their_page(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_NONE);
	uint64_t lost[1];

	(void)state;
	fill(map, 0, 4);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(4)), 0);
	/* Before: it cannot be taken any more. */
	at(map, 0)[page - 1] = '!';
	take(map, 0, 2);
	/* After: it is gone with the page. */
	at(map, 1)[page - 1] = '!';
	/* In place of what the page is known by: it looks lost, and is gone. */
	memset(at(map, 2), '!', 8);
	assert_int_equal(fallow_volatile_end(map, 0, PAGES(4), lost, NULL), 0);
	assert_int_equal(lost[0], 1 << 1 | 1 << 2);
	assert_true(at(map, 0)[0] == 1 && at(map, 0)[page - 1] == '!');
	assert_true(map_reads(at(map, 1), PAGES(2), 0));
	assert_true(is_filled(map, 3));
	fallow_map_destroy(map);
}

static void ends_by_parts(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_NONE);
	uint64_t lost[WORDS];
	size_t nlost;

	(void)state;
	fill(map, 0, NPAGES);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
	assert_int_equal(fallow_volatile_end(map, PAGES(65), PAGES(1), NULL, &nlost), 0);
	assert_int_equal(nlost, 0);
	assert_int_equal(purgeable(map), PAGES(NPAGES - 1));
	/* Marked twice: known by what they held the first time. */
	take(map, 60, 70);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
	assert_int_equal(fallow_volatile_end(map, PAGES(61), PAGES(66), lost, &nlost), 0);
	assert_int_equal(nlost, 8);
	assert_int_equal(lost[0], 0x1ef);
	assert_int_equal(lost[1], 0);
	assert_true(is_filled(map, 65) && is_filled(map, 70));
	ends_without(map, 71, NPAGES, 60, 61);
	fallow_map_destroy(map);
}

/* A populate does not end it; a discard does, and so does cutting off. */
static void others_work_on_volatile_pages(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_NONE);
	uint64_t lost[WORDS];

	(void)state;
	fill(map, 0, NPAGES);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
	take(map, 0, 2);
	assert_int_equal(fallow_map_populate(map, PAGES(1), PAGES(2), FALLOW_POPULATE_WRITE), 0);
	take(map, 2, 3);
	assert_int_equal(fallow_map_discard(map, PAGES(3), PAGES(1)), 0);
	assert_int_equal(fallow_map_resize(map, PAGES(NPAGES / 2)), 0);
	assert_int_equal(purgeable(map), PAGES(NPAGES / 2 - 1));
	assert_int_equal(fallow_volatile_end(map, 0, PAGES(64), lost, NULL), 0);
	assert_int_equal(lost[0], 3);
	assert_true(is_filled(map, 2) && is_filled(map, 4));
	assert_true(map_reads(at(map, 3), page, 0));
	fallow_map_destroy(map);
}

/* Parent and child lose and keep pages for themselves. */
static void a_child_takes_back_its_own(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_TRAP);
	int status;

	(void)state;
	fill(map, 0, NPAGES);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
	take(map, 10, 20);
	pid_t child = fork();
	if (child == 0) {
		ends_without(map, 0, NPAGES, 10, 20);
		must_equal(fallow_volatile_begin(map, 0, PAGES(NPAGES)), 0);
		fill(map, 10, 20);
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	take(map, 20, 30);
	ends_without(map, 0, NPAGES, 10, 30);
	fallow_map_destroy(map);
}

/* The kernel takes a huge page as a whole, or a part of it once it was written there. */
static void huge_pages_survive_or_not(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	uint64_t lost[16];
	size_t nlost = 0;

	(void)state;
	options.length = 4 << 20;
	options.thp = FALLOW_THP_ALWAYS;
	struct fallow_map *map = map_create(&options);
	assert_int_equal(fallow_map_populate(map, 0, 4 << 20, FALLOW_POPULATE_WRITE), 0);
	memset(at(map, 0), 'h', 4 << 20);
	assert_int_equal(fallow_volatile_begin(map, 0, 4 << 20), 0);
	at(map, 0)[17] = '!';
	madvise(at(map, 0), 4 << 20, MADV_PAGEOUT);
	assert_int_equal(fallow_volatile_end(map, 0, 4 << 20, lost, &nlost), 0);
	print_message("%zu of 1024 lost\n", nlost);
	for (size_t i = 0; i < (4 << 20) / page; i++)
		assert_true(map_reads(at(map, i) + 32, page - 32, lost[i / 64] >> (i % 64) & 1 ? 0 : 'h'));
	assert_true(at(map, 0)[17] == '!' || (lost[0] & 1));
	fallow_map_destroy(map);
}

/* A collapse fills what was taken with zeros, which does not make it look like what was there. */
static void a_collapse_does_not_hide_what_is_lost(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	uint64_t lost[8];
	size_t nlost = 0;

	(void)state;
	options.length = 2 << 20;
	struct fallow_map *map = map_create(&options);
	fill(map, 0, 512);
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(512)), 0);
	take(map, 0, 64);
	int result = fallow_map_collapse(map, 0, 2 << 20);
	assert_true(result == 0 || result == -EOPNOTSUPP || result == -ENOMEM);
	assert_int_equal(fallow_volatile_end(map, 0, PAGES(512), lost, &nlost), 0);
	assert_int_equal(nlost, 64);
	assert_true(lost[0] == ~UINT64_C(0) && lost[1] == 0);
	assert_true(map_reads(at(map, 0), PAGES(64), 0));
	assert_true(is_filled(map, 64) && is_filled(map, 511));
	fallow_map_destroy(map);
}

static void says_where_it_cannot(void **state)
{
	uint64_t lost[WORDS];

	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(NPAGES));
		struct fallow_map *map = map_create(&options);
		int wanted = map_kinds[i].backing == FALLOW_BACKING_ANON && map_kinds[i].share == FALLOW_SHARE_PRIVATE ? 0 : -EOPNOTSUPP;

		fill(map, 0, 4);
		assert_int_equal(fallow_volatile_begin(map, 0, PAGES(4)), wanted);
		assert_int_equal(fallow_volatile_end(map, 0, PAGES(4), lost, NULL), 0);
		assert_int_equal(lost[0], 0);
		assert_true(is_filled(map, 0) && is_filled(map, 3));
		map_end(map, &options);
	}
	/* Nor from huge pages of the pool; none is needed to be told. */
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map;
	options.backing = FALLOW_BACKING_HUGETLB;
	options.length = 1;
	if (fallow_map_create(&options, &map) == 0) {
		assert_int_equal(fallow_volatile_begin(map, 0, fallow_map_size(map)), -EOPNOTSUPP);
		fallow_map_destroy(map);
	}
}

static void refuses_bad_ranges(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_NONE);
	uint64_t lost[WORDS] = { 7 };
	size_t nlost = 7;

	(void)state;
	fill(map, 0, NPAGES);
	assert_int_equal(fallow_volatile_begin(NULL, 0, page), -EINVAL);
	assert_int_equal(fallow_volatile_begin(map, 1, page), -EINVAL);
	assert_int_equal(fallow_volatile_begin(map, 0, page - 1), -EINVAL);
	assert_int_equal(fallow_volatile_begin(map, PAGES(NPAGES), page), -EINVAL);
	assert_int_equal(fallow_volatile_begin(map, page, SIZE_MAX - page + 1), -EINVAL);
	assert_int_equal(purgeable(map), 0);
	assert_int_equal(fallow_volatile_end(NULL, 0, page, lost, &nlost), -EINVAL);
	assert_int_equal(fallow_volatile_end(map, 1, page, lost, &nlost), -EINVAL);
	assert_int_equal(fallow_volatile_end(map, PAGES(NPAGES - 1), PAGES(2), lost, &nlost), -EINVAL);
	assert_true(lost[0] == 7 && nlost == 7);
	assert_int_equal(fallow_volatile_begin(map, PAGES(NPAGES), 0), 0);
	assert_int_equal(fallow_volatile_end(map, PAGES(NPAGES), 0, lost, &nlost), 0);
	assert_true(lost[0] == 7 && nlost == 0);
	fallow_map_destroy(map);
}

/* Locked pages are never taken; that is no error. Sanitizers make mlock do nothing. */
static void locked_pages_survive(void **state)
{
	struct fallow_map *map = create(FALLOW_GUARD_NONE);

	(void)state;
	fill(map, 0, 16);
	if (syscall(SYS_mlock, at(map, 4), PAGES(4)) != 0)
		skip();
	assert_int_equal(fallow_volatile_begin(map, 0, PAGES(16)), 0);
	madvise(at(map, 4), PAGES(4), MADV_PAGEOUT);
	ends_without(map, 0, 16, 0, 0);
	fallow_map_destroy(map);
}

int main(void)
{
	static enum fallow_guard none = FALLOW_GUARD_NONE, trap = FALLOW_GUARD_TRAP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(says_what_is_lost, &none),
		cmocka_unit_test_prestate(says_what_is_lost, &trap),
		cmocka_unit_test(knows_pages_by_little),
		cmocka_unit_test(writes_share_the_fate_of_their_page),
		cmocka_unit_test(ends_by_parts),
		cmocka_unit_test(others_work_on_volatile_pages),
		cmocka_unit_test(a_child_takes_back_its_own),
		cmocka_unit_test(huge_pages_survive_or_not),
		cmocka_unit_test(a_collapse_does_not_hide_what_is_lost),
		cmocka_unit_test(says_where_it_cannot),
		cmocka_unit_test(refuses_bad_ranges),
		cmocka_unit_test(locked_pages_survive),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
