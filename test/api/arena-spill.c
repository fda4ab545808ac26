/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that an arena on huge pages goes on in ordinary memory when the pool is empty and spill says so, counts what it
 * took there and says so once on stderr; that with spill:fail it says NULL; that blocks from both sides are resized and
 * freed alike; and that huge pages are used again when they come back.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>
#include <fallow/stats.h>

#include "test/api/pattern.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define BLOCK ((size_t)300000)
#define NBLOCKS 100
#define POOL (4 * 2 * MiB)

static struct fallow_arena *create(enum fallow_spill spill)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = 2 * MiB;
	options.spill = spill;
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static struct fallow_arena_stat stat_of(struct fallow_arena *arena)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	must_equal(fallow_arena_stats(arena, &stat), 0);
	return stat;
}

/* From here on stderr can be read from the descriptor that is returned. */
static int catch_stderr(int *saved)
{
	int file = memfd_create("stderr", 0);

	*saved = dup(STDERR_FILENO);
	must(file >= 0 && *saved >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
	return file;
}

static size_t count_lines(int file)
{
	char text[4096];
	ssize_t length = pread(file, text, sizeof(text) - 1, 0);
	size_t nlines = 0;

	must_be_least(length, 0);
	text[length] = '\0';
	printf("on stderr: %s\n", length > 0 ? text : "nothing");
	for (ssize_t i = 0; i < length; i++)
		nlines += text[i] == '\n';
	return nlines;
}

static void spill_over(void *argument)
{
	struct fallow_arena *arena = create(FALLOW_SPILL_ANON);
	struct fallow_stats stats = FALLOW_STATS_INIT;
	unsigned char *blocks[NBLOCKS], *small[1000];
	int saved, file = catch_stderr(&saved);

	(void)argument;
	must_equal(stat_of(arena).spilled, 0);
	for (unsigned int i = 0; i < NBLOCKS; i++) {
		blocks[i] = fallow_arena_malloc(arena, BLOCK);
		must(blocks[i] != NULL);
		pattern_write(blocks[i], BLOCK, i);
	}
	for (unsigned int i = 0; i < 1000; i++) {
		small[i] = fallow_arena_calloc(arena, 1, 5000);
		must(small[i] != NULL && pattern_zero(small[i], 5000));
		pattern_write(small[i], 5000, 1000 + i);
	}
	dup2(saved, STDERR_FILENO);
	must_equal(count_lines(file), 1);
	must_equal(place_free_2m(), 0);
	must_be_least(stat_of(arena).spilled, NBLOCKS * BLOCK + 1000 * 5000 - POOL);
	must_equal(fallow_stats_read(&stats), 0);
	must_be_least(stats.spilled, stat_of(arena).spilled);
	must_equal(stat_of(arena).failures, 0);
	for (unsigned int i = 0; i < NBLOCKS; i++) {
		must(pattern_holds(blocks[i], BLOCK, i));
		blocks[i] = fallow_arena_realloc(arena, blocks[i], 2 * BLOCK);
		must(blocks[i] != NULL && pattern_holds(blocks[i], BLOCK, i));
	}
	for (unsigned int i = 0; i < 1000; i++) {
		must(pattern_holds(small[i], 5000, 1000 + i));
		fallow_free(small[i]);
	}
	for (unsigned int i = 0; i < NBLOCKS; i++)
		fallow_arena_free(arena, blocks[i]);
	must_equal(fallow_arena_trim(arena, NULL), 0);
	must_equal(place_free_2m(), POOL);
	must_equal(stat_of(arena).spilled, 0);
	blocks[0] = fallow_arena_malloc(arena, BLOCK);
	must(blocks[0] != NULL);
	must_equal(place_free_2m(), POOL - 2 * MiB);
	must_equal(stat_of(arena).spilled, 0);
	fallow_arena_destroy(arena);
	must_equal(place_free_2m(), POOL);
}

static void fail_instead(void *argument)
{
	struct fallow_arena *arena = create(FALLOW_SPILL_FAIL);
	struct fallow_failure failure;
	int saved, file = catch_stderr(&saved);
	unsigned int n = 0;

	(void)argument;
	errno = 0;
	while (n < NBLOCKS && fallow_arena_malloc(arena, BLOCK) != NULL)
		n++;
	dup2(saved, STDERR_FILENO);
	must_equal(count_lines(file), 0);
	must_equal(errno, ENOMEM);
	must_be_least(n, POOL / BLOCK - 4);
	must_be_most(n, POOL / BLOCK);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_POOL_EMPTY);
	must_equal(stat_of(arena).spilled, 0);
	must_equal(stat_of(arena).failures, 1);
	fallow_arena_destroy(arena);
}

/* Nothing in the pool from the start. */
static void live_without_pool(void *argument)
{
	struct fallow_arena *arena = create(FALLOW_SPILL_ANON);
	void *block = fallow_arena_malloc(arena, 3 * MiB);

	(void)argument;
	must(block != NULL);
	memset(block, 1, 3 * MiB);
	must_be_least(stat_of(arena).spilled, 3 * MiB);
	fallow_arena_destroy(arena);
	arena = create(FALLOW_SPILL_FAIL);
	must(fallow_arena_malloc(arena, 1) == NULL);
	must_equal(errno, ENOMEM);
	fallow_arena_destroy(arena);
}

static void a_limit_counts_what_is_spilled(void *argument)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;
	struct fallow_failure failure;
	size_t n = 0;

	(void)argument;
	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = 2 * MiB;
	options.spill = FALLOW_SPILL_ANON;
	options.limit = 16 * MiB;
	must_equal(fallow_arena_create(&options, &arena), 0);
	while (n < 64 && fallow_arena_malloc(arena, MiB) != NULL)
		n++;
	must_be_least(n, 15);
	must_be_most(n, 16);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_ARENA_LIMIT);
	fallow_arena_destroy(arena);
}

static void spills(void **state)
{
	static const struct place place = { .huge_2m = 4 };

	(void)state;
	assert_lives(&place, spill_over, NULL);
}

static void fails(void **state)
{
	static const struct place place = { .huge_2m = 4 };

	(void)state;
	assert_lives(&place, fail_instead, NULL);
}

static void does_without_pool(void **state)
{
	static const struct place place = { .huge_2m = PLACE_NO_PAGES };

	(void)state;
	assert_lives(&place, live_without_pool, NULL);
}

static void is_limited(void **state)
{
	static const struct place place = { .huge_2m = 4 };

	(void)state;
	assert_lives(&place, a_limit_counts_what_is_spilled, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(spills),
		cmocka_unit_test(fails),
		cmocka_unit_test(does_without_pool),
		cmocka_unit_test(is_limited),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
