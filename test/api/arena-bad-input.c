/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that every misuse of the arena calls which the header names is answered as it says, with nothing kept: fields
 * out of range, page sizes that are not there, descriptors of the wrong kind, sizes that no memory has.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>
#include <fallow/stats.h>

#include "test/lib/test.h"

static void assert_refused(const struct fallow_arena_options *options, int error)
{
	struct fallow_arena *arena = NULL;

	assert_int_equal(fallow_arena_create(options, &arena), error);
	assert_null(arena);
}

static struct fallow_arena_options with_file(int fd)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.backing = FALLOW_BACKING_FILE;
	options.fd = fd;
	return options;
}

static void no_options_are_fine(void **state)
{
	struct fallow_arena *arena = NULL;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	assert_non_null(fallow_arena_malloc(arena, 100));
	fallow_arena_destroy(arena);
}

static void struct_sizes(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
	struct fallow_arena *arena = NULL;

	(void)state;
	options.size = 0;
	assert_refused(&options, -EINVAL);
	options.size = sizeof(size_t);
	assert_refused(&options, -EINVAL);
	options.size = sizeof(options) + 8;
	assert_refused(&options, -EINVAL);
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	stat.size = 0;
	assert_int_equal(fallow_arena_stats(arena, &stat), -EINVAL);
	stat.size = sizeof(stat) + 8;
	assert_int_equal(fallow_arena_stats(arena, &stat), -EINVAL);
	fallow_arena_destroy(arena);
}

static void enums(void **state)
{
	(void)state;
	for (int field = 0; field < 5; field++) {
		struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
		int bad = 99;

		memcpy(field == 0   ? (void *)&options.backing
		       : field == 1 ? (void *)&options.share
		       : field == 2 ? (void *)&options.populate
		       : field == 3 ? (void *)&options.spill
				    : (void *)&options.thp,
		       &bad, sizeof(bad));
		assert_refused(&options, -EINVAL);
	}
}

static void page_sizes(void **state)
{
	static const size_t bad[] = { 1, 4095, 6000, 8192, (size_t)3 << 20, (size_t)1 << 40, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

		options.page_size = bad[i];
		assert_refused(&options, -EINVAL);
		options.backing = FALLOW_BACKING_HUGETLB;
		assert_refused(&options, -EINVAL);
		options.backing = FALLOW_BACKING_MEMFD;
		assert_refused(&options, -EINVAL);
	}
}

static void closed_descriptors(void **state)
{
	struct fallow_arena_options options;
	int fd = memfd_create("test", 0);

	(void)state;
	close(fd);
	options = with_file(fd);
	assert_refused(&options, -EBADF);
	options = with_file(-1);
	assert_refused(&options, -EBADF);
	options = with_file(1 << 20);
	assert_refused(&options, -EBADF);
}

static void files_not_open_for_both(void **state)
{
	char path[] = "/tmp/fallow-bad-input-XXXXXX";
	int fd = mkstemp(path), reads = open(path, O_RDONLY), writes = open(path, O_WRONLY), names = open(path, O_PATH);
	struct fallow_arena_options options = with_file(reads);

	(void)state;
	unlink(path);
	assert_true(fd >= 0 && reads >= 0 && writes >= 0 && names >= 0);
	assert_refused(&options, -EACCES);
	options = with_file(writes);
	assert_refused(&options, -EACCES);
	options.share = FALLOW_SHARE_PRIVATE;
	assert_refused(&options, -EACCES);
	options = with_file(names);
	assert_refused(&options, -EACCES);
	close(fd);
	close(reads);
	close(writes);
	close(names);
}

static void what_cannot_be_mapped(void **state)
{
	int ends[2], sockets[2], directory = open("/tmp", O_RDONLY | O_DIRECTORY);
	int null = open("/dev/null", O_RDWR);
	struct fallow_arena_options options;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	for (int i = 0; i < 2; i++) {
		options = with_file(ends[i]);
		assert_refused(&options, -ENODEV);
		options = with_file(sockets[i]);
		assert_refused(&options, -ENODEV);
	}
	options = with_file(directory);
	assert_refused(&options, -ENODEV);
	options = with_file(null);
	assert_refused(&options, -ENODEV);
	close(ends[0]);
	close(ends[1]);
	close(sockets[0]);
	close(sockets[1]);
	close(directory);
	close(null);
}

/* What a descriptor was duplicated for must be closed again. */
static void nothing_is_kept(void **state)
{
	int fd = memfd_create("test", 0), first, second;
	struct fallow_arena_options options = with_file(fd);

	(void)state;
	options.page_size = 12345;
	first = dup(0);
	close(first);
	for (int i = 0; i < 20; i++)
		assert_refused(&options, -EINVAL);
	second = dup(0);
	close(second);
	assert_int_equal(first, second);
	close(fd);
}

static void no_address_space(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	(void)state;
	options.reserve = (size_t)1 << 50;
	assert_refused(&options, -ENOMEM);
	options.reserve = SIZE_MAX; /* cannot be rounded up */
	assert_refused(&options, -EINVAL);
}

static void assert_too_large(void *block)
{
	struct fallow_failure failure;

	assert_null(block);
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
}

static void sizes_that_no_memory_has(void **state)
{
	volatile size_t most = PTRDIFF_MAX, all = SIZE_MAX, half = (size_t)1 << 32;
	struct fallow_arena *arena = NULL;
	char *block;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	block = fallow_arena_malloc(arena, 100);
	assert_non_null(block);
	block[0] = 'x';
	errno = 0;
	assert_too_large(fallow_arena_malloc(arena, most + 1));
	assert_too_large(fallow_arena_malloc(arena, all));
	assert_too_large(fallow_arena_calloc(arena, all, 2));
	assert_too_large(fallow_arena_calloc(arena, half, half));
	assert_too_large(fallow_arena_calloc(arena, half, half + 1));
	assert_too_large(fallow_arena_calloc(arena, most, 3));
	assert_too_large(fallow_arena_realloc(arena, block, most + 1));
	assert_too_large(fallow_arena_aligned_alloc(arena, 64, most + 1));
	assert_too_large(fallow_arena_aligned_alloc(arena, 64, all));
	assert_too_large(fallow_malloc(most + 1));
	assert_too_large(fallow_calloc(half, half));
	assert_too_large(fallow_realloc(NULL, all));
	assert_too_large(fallow_aligned_alloc(4096, all));
	assert_int_equal(block[0], 'x');
	fallow_arena_destroy(arena);
}

/* Not beyond PTRDIFF_MAX, but more than any arena has addresses for. */
static void larger_than_the_reservation(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;
	struct fallow_failure failure;

	(void)state;
	options.reserve = (size_t)16 << 20;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	errno = 0;
	assert_null(fallow_arena_malloc(arena, (size_t)1 << 46));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_ADDRESS_SPACE);
	assert_non_null(fallow_arena_malloc(arena, (size_t)1 << 20));
	fallow_arena_destroy(arena);
}

static void nothing_at_all(void **state)
{
	struct fallow_arena *arena = NULL;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	fallow_arena_free(arena, NULL);
	fallow_free(NULL);
	assert_int_equal(fallow_arena_usable_size(arena, NULL), 0);
	assert_int_equal(fallow_usable_size(NULL), 0);
	fallow_arena_destroy(arena);
	fallow_arena_destroy(NULL);
}

static void nothing_of_nothing(void **state)
{
	struct fallow_arena *arena = NULL;
	void *one, *other;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	one = fallow_arena_malloc(arena, 0);
	other = fallow_arena_malloc(arena, 0);
	assert_non_null(one);
	assert_non_null(other);
	assert_ptr_not_equal(one, other);
	fallow_arena_free(arena, one);
	fallow_arena_free(arena, other);
	assert_non_null(fallow_arena_calloc(arena, 0, 100));
	assert_non_null(fallow_arena_calloc(arena, 100, 0));
	fallow_arena_destroy(arena);
}

static void free_keeps_errno(void **state)
{
	struct fallow_arena *arena = NULL;
	void *block;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	for (size_t size = 16; size <= (size_t)4 << 20; size *= 4) {
		block = fallow_arena_malloc(arena, size);
		errno = EXDEV;
		fallow_free(block);
		assert_int_equal(errno, EXDEV);
		block = fallow_malloc(size);
		errno = EXDEV;
		fallow_free(block);
		assert_int_equal(errno, EXDEV);
	}
	fallow_arena_destroy(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_options_are_fine),
		cmocka_unit_test(struct_sizes),
		cmocka_unit_test(enums),
		cmocka_unit_test(page_sizes),
		cmocka_unit_test(closed_descriptors),
		cmocka_unit_test(files_not_open_for_both),
		cmocka_unit_test(what_cannot_be_mapped),
		cmocka_unit_test(nothing_is_kept),
		cmocka_unit_test(no_address_space),
		cmocka_unit_test(sizes_that_no_memory_has),
		cmocka_unit_test(larger_than_the_reservation),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(nothing_of_nothing),
		cmocka_unit_test(free_keeps_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
