/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every kind of map, with a guard and without, that it grows and shrinks with its file, that what stays
 * keeps its content and what is cut off comes back as zero; and that seals, RLIMIT_FSIZE and the end of the reservation
 * are errors by name which change nothing.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test/api/map-kinds.h"

static size_t page;

static off_t length_of(int fd)
{
	struct stat file;

	assert_int_equal(fstat(fd, &file), 0);
	return file.st_size;
}

static void resizes(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, 100 * page);
	options.guard = guard;
	options.reserve = 2000 * page;
	struct fallow_map *map = map_create(&options);
	char *base = fallow_map_base(map);

	assert_int_equal(fallow_map_populate(map, 90 * page, 10 * page, FALLOW_POPULATE_WRITE), 0);
	memset(base + 90 * page, 'x', 10 * page);
	assert_int_equal(fallow_map_resize(map, 1500 * page - 1), 0);
	assert_int_equal(fallow_map_size(map), 1500 * page);
	assert_ptr_equal(fallow_map_base(map), base);
	assert_int_equal(map_touch(base + 100 * page), guard ? SIGSEGV : 0);
	assert_int_equal(fallow_map_populate(map, 95 * page, 1000 * page, FALLOW_POPULATE_WRITE), 0);
	assert_true(map_reads(base + 90 * page, 10 * page, 'x'));
	assert_true(map_reads(base + 100 * page, 995 * page, 0));
	memset(base + 100 * page, 'y', 995 * page);
	if (options.fd >= 0)
		assert_int_equal(length_of(options.fd), 1500 * page);

	assert_int_equal(fallow_map_resize(map, 92 * page), 0);
	assert_int_equal(map_populated(map), 2 * page);
	assert_int_equal(fallow_map_populate(map, 92 * page, page, FALLOW_POPULATE_WRITE), -EINVAL);
	assert_int_equal(map_touch(base + 92 * page), SIGSEGV);
	if (options.fd >= 0)
		assert_int_equal(length_of(options.fd), 92 * page);
	assert_int_equal(fallow_map_resize(map, 2000 * page), 0);
	assert_int_equal(fallow_map_populate(map, 0, 2000 * page, FALLOW_POPULATE_WRITE), 0);
	assert_true(map_reads(base + 90 * page, 2 * page, 'x'));
	assert_true(map_reads(base + 92 * page, 1908 * page, 0));

	assert_int_equal(fallow_map_resize(map, 2001 * page), -ENOMEM);
	assert_int_equal(fallow_map_size(map), 2000 * page);
	map_end(map, &options);
}

static void every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		resizes(&map_kinds[i], FALLOW_GUARD_NONE);
		resizes(&map_kinds[i], FALLOW_GUARD_TRAP);
	}
}

static void seals_are_kept(void **state)
{
	const struct map_kind *kind = &map_kinds[6];
	struct fallow_map_options options = map_options(kind, 10 * page);
	options.reserve = 20 * page;
	struct fallow_map *map = map_create(&options);

	(void)state;
	assert_int_equal(fallow_map_populate(map, 0, 10 * page, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(map), 'x', 10 * page);
	assert_int_equal(fcntl(options.fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(fallow_map_resize(map, 11 * page), -EPERM);
	assert_int_equal(fallow_map_resize(map, 9 * page), 0);
	assert_int_equal(fcntl(options.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(fallow_map_resize(map, 8 * page), -EPERM);
	assert_int_equal(fallow_map_size(map), 9 * page);
	assert_true(map_reads(fallow_map_base(map), 9 * page, 'x'));
	/* Holes are no change of length. */
	assert_int_equal(fallow_map_discard(map, 0, 9 * page), 0);
	fallow_map_destroy(map);

	options.length = 10 * page;
	assert_int_equal(fallow_map_create(&options, &map), -EPERM);
	close(options.fd);
}

static void no_file_outgrows_its_limit(void **state)
{
	struct fallow_map_options options = map_options(&map_kinds[4], 10 * page);
	options.reserve = 20 * page;
	struct fallow_map *map = map_create(&options);
	struct rlimit had, limit;
	struct fallow_failure failure;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
	limit = (struct rlimit){ 15 * page, had.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(fallow_map_resize(map, 16 * page), -EFBIG);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_RLIMIT);
	assert_int_equal(fallow_map_resize(map, 15 * page), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
	map_end(map, &options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(seals_are_kept),
		cmocka_unit_test(no_file_outgrows_its_limit),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
