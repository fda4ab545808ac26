/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which closes every descriptor, and opens files that then have the numbers of an arena's, loses
 * none of them: they keep length and contents and stay open, whatever the arena does. The arena's blocks keep theirs, a
 * shared arena still gives memory back, what takes the lost file is NULL, and ordinary memory is there to spill into.
 */
#include <fallow/arena.h>
#include <fallow/stats.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/lives.h"

#define KiB ((size_t)1 << 10)
#define MiB ((size_t)1 << 20)
#define NVICTIMS 16
#define VICTIM_SIZE (256 * KiB)
#define NBLOCKS 8
#define BLOCK (100 * KiB)

/* More than any frontier is ahead. */
#define MORE (64 * MiB)

struct kind {
	const char *name;
	enum fallow_backing backing;
	enum fallow_share share;
	enum fallow_populate populate;
	enum fallow_spill spill;
};

static const struct kind kinds[] = {
	{ .name = "memfd", .backing = FALLOW_BACKING_MEMFD },
	{ .name = "memfd private", .backing = FALLOW_BACKING_MEMFD, .share = FALLOW_SHARE_PRIVATE },
	{ .name = "memfd allocated", .backing = FALLOW_BACKING_MEMFD, .populate = FALLOW_POPULATE_ALLOCATE },
	{ .name = "memfd spilling", .backing = FALLOW_BACKING_MEMFD, .spill = FALLOW_SPILL_ANON },
	{ .name = "file", .backing = FALLOW_BACKING_FILE },
	{ .name = "file private", .backing = FALLOW_BACKING_FILE, .share = FALLOW_SHARE_PRIVATE },
};

static struct fallow_arena *create(const struct kind *kind)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = kind->backing;
	options.share = kind->share;
	options.populate = kind->populate;
	options.spill = kind->spill;
	options.decay_ms = FALLOW_DECAY_NEVER;
	if (kind->backing == FALLOW_BACKING_FILE)
		options.fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static bool reads(const unsigned char *bytes, size_t n, unsigned char value)
{
	return bytes[0] == value && memcmp(bytes, bytes + 1, n - 1) == 0;
}

/* Files of the program's own, in the place of all that was open. */
static void open_victims(int victims[NVICTIMS])
{
	static unsigned char content[VICTIM_SIZE];

	must_equal(close_range(3, ~0u, 0), 0);
	memset(content, 0x77, sizeof(content));
	for (int i = 0; i < NVICTIMS; i++) {
		victims[i] = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		must_equal(victims[i], 3 + i);
		must_equal(write(victims[i], content, sizeof(content)), VICTIM_SIZE);
	}
}

static void must_be_whole(const int victims[NVICTIMS])
{
	static unsigned char content[VICTIM_SIZE];
	struct stat file;

	for (int i = 0; i < NVICTIMS; i++) {
		must_equal(fstat(victims[i], &file), 0);
		must_equal(file.st_size, VICTIM_SIZE);
		must_equal(file.st_blocks * 512, VICTIM_SIZE);
		must_equal(pread(victims[i], content, sizeof(content), 0), VICTIM_SIZE);
		must(reads(content, sizeof(content), 0x77));
	}
}

static size_t populated(struct fallow_arena *arena)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	must_equal(fallow_arena_stats(arena, &stat), 0);
	return stat.populated;
}

static void must_not_grow(struct fallow_arena *arena, const struct kind *kind)
{
	struct fallow_failure failure;

	errno = 0;
	unsigned char *more = fallow_arena_malloc(arena, MORE);
	if (kind->spill == FALLOW_SPILL_ANON) {
		must(more != NULL);
		memset(more, 1, MORE);
		fallow_arena_free(arena, more);
		return;
	}
	must(more == NULL);
	must_equal(errno, ENOMEM);
	fallow_last_failure(&failure);
	must_equal(failure.reason, FALLOW_REASON_FAULT);
	must_equal(failure.error, EBADF);
}

static void live_on(void *argument)
{
	const struct kind *kind = argument;
	struct fallow_arena *arena = create(kind);
	unsigned char *blocks[NBLOCKS];
	int victims[NVICTIMS];

	for (int i = 0; i < NBLOCKS; i++) {
		blocks[i] = fallow_arena_malloc(arena, BLOCK);
		must(blocks[i] != NULL);
		memset(blocks[i], i + 1, BLOCK);
	}
	open_victims(victims);
	must_not_grow(arena, kind);
	for (int i = 0; i < NBLOCKS; i++)
		must(reads(blocks[i], BLOCK, (unsigned char)(i + 1)));
	for (int i = 0; i < NBLOCKS; i += 2)
		fallow_arena_free(arena, blocks[i]);
	size_t before = populated(arena);
	fallow_arena_trim(arena, NULL);
	if (kind->share != FALLOW_SHARE_PRIVATE)
		must_be_most(populated(arena), before - NBLOCKS / 2 * BLOCK);
	for (int i = 0; i < NBLOCKS; i += 2) {
		blocks[i] = fallow_arena_calloc(arena, 1, BLOCK);
		must(blocks[i] != NULL || kind->populate == FALLOW_POPULATE_ALLOCATE);
		must(blocks[i] == NULL || reads(blocks[i], BLOCK, 0));
	}
	for (int i = 1; i < NBLOCKS; i += 2)
		must(reads(blocks[i], BLOCK, (unsigned char)(i + 1)));
	must_be_whole(victims);
	fallow_arena_destroy(arena);
	must_be_whole(victims);
}

static void files_of_others_are_left_alone(void **state)
{
	static const struct place place = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		printf("%s\n", kinds[i].name);
		assert_lives(&place, live_on, (void *)&kinds[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(files_of_others_are_left_alone) };

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
