/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that an arena's limit is answered with NULL, ENOMEM and FALLOW_REASON_ARENA_LIMIT, is never exceeded, can be
 * raised and lowered while blocks are in use, and counts what it refused.
 */
#include <errno.h>
#include <string.h>

#include <fallow/arena.h>
#include <fallow/stats.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)
#define BLOCK (64u << 10)
#define MAX_BLOCKS 1024

static unsigned char *blocks[MAX_BLOCKS];

static struct fallow_arena *create(enum fallow_backing backing, size_t limit)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.backing = backing;
	options.limit = limit;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static struct fallow_arena_stat stat_of(struct fallow_arena *arena)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	assert_int_equal(fallow_arena_stats(arena, &stat), 0);
	return stat;
}

static void assert_refused(struct fallow_arena *arena, size_t size)
{
	struct fallow_failure failure;
	uint64_t failures = stat_of(arena).failures;

	errno = 0;
	assert_null(fallow_arena_malloc(arena, size));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_ARENA_LIMIT);
	assert_true(failure.requested >= size);
	assert_true(stat_of(arena).failures == failures + 1);
}

/* Fill up from the n-th block on; how many there are then. */
static size_t fill(struct fallow_arena *arena, size_t n)
{
	for (; n < MAX_BLOCKS; n++) {
		blocks[n] = fallow_arena_malloc(arena, BLOCK);
		if (blocks[n] == NULL)
			break;
		pattern_write(blocks[n], BLOCK, n);
		assert_true(stat_of(arena).populated <= stat_of(arena).limit);
	}
	assert_true(n < MAX_BLOCKS);
	for (size_t i = 0; i < n; i++)
		assert_true(pattern_holds(blocks[i], BLOCK, i));
	return n;
}

static void goes_up_and_down(enum fallow_backing backing)
{
	struct fallow_arena *arena = create(backing, 4 * MiB);
	size_t n = fill(arena, 0), populated;

	assert_int_equal(stat_of(arena).limit, 4 * MiB);
	assert_true(n * BLOCK >= 4 * MiB / 100 * 95);
	assert_refused(arena, BLOCK);

	assert_int_equal(fallow_arena_set_limit(arena, 8 * MiB), 0);
	n = fill(arena, n);
	assert_true(n * BLOCK >= 8 * MiB / 100 * 95);
	assert_refused(arena, BLOCK);

	/* Below what is in use: nothing grows until enough is freed, and what is in use stays. */
	assert_int_equal(fallow_arena_set_limit(arena, 2 * MiB), 0);
	assert_refused(arena, BLOCK);
	populated = stat_of(arena).populated;
	while (n > 64)
		fallow_arena_free(arena, blocks[--n]);
	assert_refused(arena, MiB);
	assert_true(stat_of(arena).populated <= populated);
	while (n > 0)
		fallow_arena_free(arena, blocks[--n]);
	n = fill(arena, 0);
	assert_true(n * BLOCK >= 2 * MiB / 100 * 95);
	assert_true(n * BLOCK <= 2 * MiB);

	assert_int_equal(fallow_arena_set_limit(arena, 0), 0);
	assert_int_equal(stat_of(arena).limit, 0);
	blocks[n] = fallow_arena_malloc(arena, 16 * MiB);
	assert_non_null(blocks[n]);
	memset(blocks[n], 1, 16 * MiB);
	fallow_arena_destroy(arena);
}

static void ordinary_memory(void **state)
{
	(void)state;
	goes_up_and_down(FALLOW_BACKING_ANON);
}

static void memfd(void **state)
{
	(void)state;
	goes_up_and_down(FALLOW_BACKING_MEMFD);
}

static void is_rounded_down_to_pages(void **state)
{
	struct fallow_arena *arena = create(FALLOW_BACKING_ANON, MiB + 4095);

	(void)state;
	assert_int_equal(stat_of(arena).limit, MiB);
	assert_int_equal(fallow_arena_set_limit(arena, 2 * MiB + 1), 0);
	assert_int_equal(stat_of(arena).limit, 2 * MiB);
	fallow_arena_destroy(arena);
}

static void lowering_gives_idle_memory_back(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;
	unsigned char *block;

	(void)state;
	options.backing = FALLOW_BACKING_MEMFD;
	options.decay_ms = FALLOW_DECAY_NEVER;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	block = fallow_arena_malloc(arena, 8 * MiB);
	assert_non_null(block);
	fallow_arena_free(arena, block);
	assert_true(stat_of(arena).populated >= 8 * MiB);
	assert_int_equal(fallow_arena_set_limit(arena, MiB), 0);
	assert_true(stat_of(arena).populated <= MiB);
	fallow_arena_destroy(arena);
}

static void below_what_is_used_only_freed_places_serve(void **state)
{
	enum { NSMALL = 4000, SMALL = 100 };
	static void *small[NSMALL];
	struct fallow_arena *arena = create(FALLOW_BACKING_MEMFD, 4 * MiB);
	void *large = fallow_arena_malloc(arena, MiB), *kept = fallow_arena_malloc(arena, MiB);

	(void)state;
	assert_true(large && kept);
	for (int i = 0; i < NSMALL; i++)
		assert_non_null(small[i] = fallow_arena_malloc(arena, SMALL));
	assert_int_equal(fallow_arena_set_limit(arena, MiB / 2), 0);
	for (int i = 0; i < NSMALL; i += 2)
		fallow_arena_free(arena, small[i]);
	for (int i = 0; i < NSMALL; i += 2)
		assert_non_null(fallow_arena_malloc(arena, SMALL));
	fallow_arena_free(arena, large);
	assert_refused(arena, MiB / 4);
	/* And is given back. */
	assert_true(stat_of(arena).populated < 2 * MiB);
	fallow_arena_destroy(arena);
}

static void growing_beyond_it_keeps_the_block(void **state)
{
	struct fallow_arena *arena = create(FALLOW_BACKING_ANON, 2 * MiB);
	unsigned char *block = fallow_arena_malloc(arena, MiB);

	(void)state;
	assert_non_null(block);
	pattern_write(block, MiB, 1);
	errno = 0;
	assert_null(fallow_arena_realloc(arena, block, 3 * MiB));
	assert_int_equal(errno, ENOMEM);
	assert_true(pattern_holds(block, MiB, 1));
	assert_true(fallow_arena_usable_size(arena, block) >= MiB);
	fallow_arena_free(arena, block);
	fallow_arena_destroy(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(memfd),
		cmocka_unit_test(is_rounded_down_to_pages),
		cmocka_unit_test(lowering_gives_idle_memory_back),
		cmocka_unit_test(below_what_is_used_only_freed_places_serve),
		cmocka_unit_test(growing_beyond_it_keeps_the_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
