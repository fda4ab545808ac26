/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that reset frees every block and leaves the arena usable, that trim gives idle memory back and says how much,
 * and that destroy leaves nothing: no mapping, no descriptor, no page of a shared file, whose length stays.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fallow/arena.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)
#define NBLOCKS 300
#define NROUNDS 50

enum kind { ANON, ANON_SHARED, MEMFD, FILE_SHARED, FILE_PRIVATE, NKINDS };

static const char *const kinds[NKINDS] = { "anon", "shared anon", "memfd", "shared file", "private file" };

static int files[2] = { -1, -1 }; /* for FILE_SHARED and FILE_PRIVATE */

static int open_file(void)
{
	char path[] = "/tmp/fallow-lifecycle-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

/* False where the kernel lacks the combination. */
static bool create(enum kind kind, unsigned int decay_ms, struct fallow_arena **arena)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	int error;

	options.backing = kind == MEMFD ? FALLOW_BACKING_MEMFD
			: kind >= FILE_SHARED ? FALLOW_BACKING_FILE : FALLOW_BACKING_ANON;
	options.share = kind == ANON_SHARED || kind == FILE_SHARED ? FALLOW_SHARE_SHARED
			: kind == FILE_PRIVATE ? FALLOW_SHARE_PRIVATE : FALLOW_SHARE_AUTO;
	options.fd = kind == FILE_SHARED ? files[0] : kind == FILE_PRIVATE ? files[1] : -1;
	options.decay_ms = decay_ms;
	error = fallow_arena_create(&options, arena);
	if (kind == ANON_SHARED && error == -EOPNOTSUPP)
		return false;
	assert_int_equal(error, 0);
	return true;
}

static struct fallow_arena_stat stat_of(struct fallow_arena *arena)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	assert_int_equal(fallow_arena_stats(arena, &stat), 0);
	return stat;
}

/* About 8.5 MiB in blocks from 16 bytes to 1 MiB. */
static void take(struct fallow_arena *arena, unsigned char **blocks)
{
	for (unsigned int i = 0; i < NBLOCKS; i++) {
		size_t size = (size_t)16 << i % 14;

		if (i % 100 == 99)
			size = MiB;
		blocks[i] = fallow_arena_malloc(arena, size);
		assert_non_null(blocks[i]);
		pattern_write(blocks[i], size, i);
	}
	for (unsigned int i = 0; i < NBLOCKS; i++)
		assert_true(pattern_holds(blocks[i], i % 100 == 99 ? MiB : (size_t)16 << i % 14, i));
}

static size_t count_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t nlines = 0;
	int c;

	assert_non_null(file);
	while ((c = getc(file)) != EOF)
		nlines += c == '\n';
	fclose(file);
	return nlines;
}

static size_t count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t nentries = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		nentries++;
	closedir(directory);
	return nentries;
}

static void reset_frees_everything(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < NKINDS; kind++) {
		struct fallow_arena *arena = NULL;
		unsigned char *blocks[NBLOCKS];
		size_t most = 0;

		if (!create(kind, FALLOW_DECAY_NEVER, &arena))
			continue;
		for (int round = 0; round < 20; round++) {
			take(arena, blocks);
			most = round == 0 ? stat_of(arena).populated : most;
			fallow_arena_reset(arena);
			assert_int_equal(stat_of(arena).taken, 0);
		}
		/* Twenty times the same work in the memory of one. */
		assert_true(stat_of(arena).populated <= most + most / 4);
		assert_int_equal(fallow_arena_trim(arena, NULL), 0);
		assert_int_equal(stat_of(arena).populated, 0);
		fallow_arena_destroy(arena);
	}
}

static void trim_says_what_it_gave_back(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < NKINDS; kind++) {
		struct fallow_arena *arena = NULL;
		unsigned char *blocks[NBLOCKS];
		size_t released = 1, populated;

		if (!create(kind, FALLOW_DECAY_NEVER, &arena))
			continue;
		assert_int_equal(fallow_arena_trim(arena, &released), 0);
		assert_int_equal(released, 0);
		take(arena, blocks);
		for (int i = 0; i < NBLOCKS; i++)
			fallow_arena_free(arena, blocks[i]);
		populated = stat_of(arena).populated;
		assert_true(populated >= 8 * MiB);
		assert_int_equal(fallow_arena_trim(arena, &released), 0);
		assert_int_equal(stat_of(arena).populated, populated - released);
		assert_int_equal(stat_of(arena).populated, 0);
		take(arena, blocks);
		fallow_arena_destroy(arena);
	}
}

static void destroy_leaves_nothing(void **state)
{
	struct fallow_arena *arena = NULL;
	unsigned char *blocks[NBLOCKS];

	(void)state;
	for (enum kind kind = 0; kind < NKINDS; kind++) {
		size_t nmaps = 0, ndescriptors = 0;

		for (int round = 0; round < NROUNDS; round++) {
			if (!create(kind, FALLOW_DECAY_DEFAULT, &arena))
				break;
			take(arena, blocks);
			fallow_arena_destroy(arena);
			if (round == 1) { /* what the library keeps for itself is there by now */
				nmaps = count_lines("/proc/self/maps");
				ndescriptors = count_descriptors();
			}
		}
		if (nmaps == 0)
			continue;
		print_message("%s: %zu mappings, %zu descriptors\n", kinds[kind], nmaps, ndescriptors);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map more for themselves as they go */
		assert_int_equal(count_lines("/proc/self/maps"), nmaps);
#endif
		assert_int_equal(count_descriptors(), ndescriptors);
	}
}

static void destroy_empties_a_shared_file(void **state)
{
	struct fallow_arena *arena = NULL;
	unsigned char *blocks[NBLOCKS];
	struct stat full, after;

	(void)state;
	assert_true(create(FILE_SHARED, FALLOW_DECAY_NEVER, &arena));
	take(arena, blocks);
	assert_int_equal(fstat(files[0], &full), 0);
	fallow_arena_destroy(arena);
	assert_int_equal(fsync(files[0]), 0);
	assert_int_equal(fstat(files[0], &after), 0);
	assert_true(full.st_size > 0);
	assert_int_equal(after.st_size, full.st_size);
	/* A few blocks may hold the filesystem's own map of the file. */
	assert_true(after.st_blocks * 512 <= 256 << 10);
}

static void the_file_may_be_closed(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;
	unsigned char *blocks[NBLOCKS];

	(void)state;
	options.backing = FALLOW_BACKING_FILE;
	options.fd = open_file();
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	close(options.fd);
	take(arena, blocks);
	fallow_arena_reset(arena);
	assert_int_equal(fallow_arena_trim(arena, NULL), 0);
	take(arena, blocks);
	fallow_arena_destroy(arena);
}

static void nothing_is_destroyed_twice(void **state)
{
	(void)state;
	fallow_arena_destroy(NULL);
}

static int open_files(void **state)
{
	(void)state;
	files[0] = open_file();
	files[1] = open_file();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_frees_everything),
		cmocka_unit_test(trim_says_what_it_gave_back),
		cmocka_unit_test(destroy_leaves_nothing),
		cmocka_unit_test(destroy_empties_a_shared_file),
		cmocka_unit_test(the_file_may_be_closed),
		cmocka_unit_test(nothing_is_destroyed_twice),
	};

	return cmocka_run_group_tests(tests, open_files, NULL);
}
