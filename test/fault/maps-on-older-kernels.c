/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a kernel without the calls that maps like best makes no difference that a user could see: without
 * MADV_POPULATE_*, without PAGEMAP_SCAN, without guard pages and without FIEMAP, pages come in and keep what they hold, guards
 * trap, residency is right, a populate that fails leaves no trace, and volatile pages tell the truth. What such a kernel cannot do at
 * all, collapse, it says.
 */
#include <errno.h>

#include "os/kernel.h"
#include "os/os.h"
#include "test/api/map-kinds.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (4 * MiB)

static unsigned int nrefused;

/* As Linux 5.10 would. */
static int refuse(enum fl_os_call call, int detail)
{
	bool newer = call == FL_OS_MADVISE && (detail == MADV_POPULATE_WRITE || detail == MADV_POPULATE_READ ||
					       detail == MADV_GUARD_INSTALL || detail == MADV_GUARD_REMOVE ||
					       detail == MADV_COLLAPSE);

	if (newer || call == FL_OS_IOCTL)
		nrefused++;
	return newer ? -EINVAL : call == FL_OS_IOCTL ? -ENOTTY : 0;
}

static size_t resident(struct fallow_map *map, unsigned int states)
{
	static uint64_t bits[LENGTH / 4096 / 64];
	size_t n = 0;

	must_equal(fallow_map_bitmap(map, 0, LENGTH, states, bits), 0);
	for (size_t i = 0; i < sizeof(bits) / 8; i++)
		n += (size_t)__builtin_popcountll(bits[i]);
	return n;
}

static void works(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);
	size_t npages = MiB / fallow_map_page_size(map);

	assert_int_equal(fallow_map_populate(map, MiB, MiB, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(resident(map, FALLOW_PAGE_POPULATED), npages);
	memset(base + MiB, 'x', MiB);
	for (int mode = FALLOW_POPULATE_WRITE; mode <= FALLOW_POPULATE_READ; mode++)
		assert_int_equal(fallow_map_populate(map, MiB / 2, MiB, (enum fallow_populate)mode), 0);
	assert_true(map_reads(base + MiB, MiB, 'x'));
	assert_true(map_reads(base + MiB / 2, MiB / 2, 0));
	assert_int_equal(map_touch(base), guard ? SIGSEGV : 0);
	assert_int_equal(fallow_map_discard(map, MiB, MiB), 0);
	assert_int_equal(map_touch(base + MiB), guard ? SIGSEGV : 0);
	assert_int_equal(map_populated(map), MiB / 2);
	map_end(map, &options);
}

static void every_kind_works(void **state)
{
	(void)state;
	fl_os_fault = refuse;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		works(&map_kinds[i], FALLOW_GUARD_NONE);
		works(&map_kinds[i], FALLOW_GUARD_TRAP);
	}
	assert_true(nrefused > NMAP_KINDS);
	fl_os_fault = NULL;
}

static void volatile_pages_tell_the_truth(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	uint64_t lost[LENGTH / 4096 / 64];
	size_t nlost;

	(void)state;
	fl_os_fault = refuse;
	options.length = LENGTH;
	options.thp = FALLOW_THP_NEVER;
	for (int guard = FALLOW_GUARD_NONE; guard <= FALLOW_GUARD_TRAP; guard++) {
		options.guard = (enum fallow_guard)guard;
		struct fallow_map *map = map_create(&options);
		char *base = fallow_map_base(map);
		size_t page = fallow_map_page_size(map);

		assert_int_equal(fallow_map_populate(map, MiB, 2 * MiB, FALLOW_POPULATE_WRITE), 0);
		memset(base + MiB, 'v', 2 * MiB);
		assert_int_equal(fallow_volatile_begin(map, 0, LENGTH), 0);
		assert_int_equal(madvise(base + 2 * MiB, MiB, MADV_PAGEOUT), 0);
		/* Without PAGEMAP_SCAN what was read again, and is zero, cannot be told from what is there. */
		assert_true(map_reads(base + 2 * MiB, 16 * page, 0));
		assert_int_equal(fallow_volatile_end(map, 0, LENGTH, lost, &nlost), 0);
		assert_int_equal(nlost, MiB / page);
		assert_true(lost[2 * MiB / page / 64] == ~UINT64_C(0) && lost[2 * MiB / page / 64 - 1] == 0);
		assert_true(map_reads(base + MiB, MiB, 'v'));
		assert_int_equal(resident(map, FALLOW_PAGE_POPULATED), MiB / page);
		assert_int_equal(map_touch(base + 2 * MiB), guard ? SIGSEGV : 0);
		fallow_map_destroy(map);
	}
	fl_os_fault = NULL;
}

static void collapse_says_that_it_is_not_there(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	(void)state;
	fl_os_fault = refuse;
	options.length = LENGTH;
	struct fallow_map *map = map_create(&options);
	assert_int_equal(fallow_map_populate(map, MiB, MiB / 4, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(fallow_map_collapse(map, 0, LENGTH), -EOPNOTSUPP);
	assert_int_equal(resident(map, FALLOW_PAGE_POPULATED), MiB / 4 / fallow_map_page_size(map));
	assert_int_equal(map_populated(map), MiB / 4);
	fallow_map_destroy(map);
	fl_os_fault = NULL;
}

static void fail_on_tmpfs(void *argument)
{
	enum fallow_populate mode = *(enum fallow_populate *)argument;
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_failure failure;

	options.backing = FALLOW_BACKING_FILE;
	options.fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600);
	options.length = LENGTH;
	fl_os_fault = refuse;
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);
	must_equal(fallow_map_populate(map, MiB / 4, MiB / 4, FALLOW_POPULATE_WRITE), 0);
	memset(base + MiB / 4, 'x', MiB / 4);
	/* Stored, and not mapped. */
	must_equal(pwrite(options.fd, "y", 1, 3 * MiB / 4), 1);
	must_equal(fallow_map_populate(map, 0, LENGTH, mode), -ENOMEM);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_TMPFS_FULL);
	must_equal(map_populated(map), MiB / 4);
	must_equal(resident(map, FALLOW_PAGE_POPULATED), MiB / 4 / fallow_map_page_size(map));
	must_equal(resident(map, FALLOW_PAGE_CACHED), 1);
	must(map_reads(base + MiB / 4, MiB / 4, 'x'));
	must_equal(base[3 * MiB / 4], 'y');
	map_end(map, &options);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
	struct place place = { .tmpfs = MiB };
	enum fallow_populate modes[] = { FALLOW_POPULATE_WRITE, FALLOW_POPULATE_READ, FALLOW_POPULATE_ALLOCATE };

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(modes); i++)
		assert_lives(&place, fail_on_tmpfs, &modes[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_works),
		cmocka_unit_test(volatile_pages_tell_the_truth),
		cmocka_unit_test(collapse_says_that_it_is_not_there),
		cmocka_unit_test(what_does_not_fit_leaves_nothing),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
