/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that calloc hands out zeroes whatever was in the memory before: fresh, freed dirty and taken again at once,
 * given back by trim in between, after a reset, after realloc has shrunk or moved the block, with or without decay.
 */
#include <string.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define NBLOCKS 64

static const size_t sizes[] = { 1, 24, 100, 512, 2000, 4096, 10000, 33000, 70000, 300000, 1 << 20, 5 << 20 };

#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct fallow_arena *create(enum fallow_backing backing, unsigned int decay_ms)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.backing = backing;
	options.decay_ms = decay_ms;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static size_t count_of(size_t size)
{
	return size < 100000 ? NBLOCKS : 4;
}

/* Blocks that are zero, all usable bytes of which are dirty afterwards. */
static void take(struct fallow_arena *arena, size_t size, unsigned char **blocks)
{
	for (size_t i = 0; i < count_of(size); i++) {
		blocks[i] = fallow_arena_calloc(arena, 1, size);
		assert_non_null(blocks[i]);
		assert_true(pattern_zero(blocks[i], size));
		memset(blocks[i], 0xff, fallow_arena_usable_size(arena, blocks[i]));
	}
}

static void put(struct fallow_arena *arena, size_t size, unsigned char **blocks)
{
	for (size_t i = 0; i < count_of(size); i++)
		fallow_arena_free(arena, blocks[i]);
}

static void is_zero(enum fallow_backing backing, unsigned int decay_ms)
{
	struct fallow_arena *arena = create(backing, decay_ms);
	unsigned char *blocks[NBLOCKS];

	for (size_t i = 0; i < NSIZES; i++) {
		for (int round = 0; round < 3; round++) {
			take(arena, sizes[i], blocks);
			put(arena, sizes[i], blocks);
		}
		assert_int_equal(fallow_arena_trim(arena, NULL), 0);
		take(arena, sizes[i], blocks);
		fallow_arena_reset(arena);
		take(arena, sizes[i], blocks);
		for (size_t j = 0; j < count_of(sizes[i]); j++) {
			blocks[j] = fallow_arena_realloc(arena, blocks[j], sizes[i] / 2 + 1);
			assert_non_null(blocks[j]);
			blocks[j] = fallow_arena_realloc(arena, blocks[j], sizes[i] * 2);
			assert_non_null(blocks[j]);
			memset(blocks[j], 0xee, sizes[i] * 2);
		}
		put(arena, sizes[i], blocks);
	}
	/* What was dirty in one size is zero in all others. */
	for (size_t i = NSIZES; i-- > 0;) {
		take(arena, sizes[i], blocks);
		put(arena, sizes[i], blocks);
	}
	fallow_arena_destroy(arena);
}

static void ordinary_memory(void **state)
{
	(void)state;
	is_zero(FALLOW_BACKING_ANON, FALLOW_DECAY_NEVER);
}

static void ordinary_memory_given_back_at_once(void **state)
{
	(void)state;
	is_zero(FALLOW_BACKING_ANON, 0);
}

static void memfd(void **state)
{
	(void)state;
	is_zero(FALLOW_BACKING_MEMFD, FALLOW_DECAY_NEVER);
}

static void memfd_given_back_at_once(void **state)
{
	(void)state;
	is_zero(FALLOW_BACKING_MEMFD, 0);
}

static void process_heap(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < NSIZES; i++) {
			unsigned char *block = fallow_calloc(sizes[i], 1);

			assert_non_null(block);
			assert_true(pattern_zero(block, sizes[i]));
			memset(block, 0xff, fallow_usable_size(block));
			fallow_free(block);
		}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(ordinary_memory_given_back_at_once),
		cmocka_unit_test(memfd),
		cmocka_unit_test(memfd_given_back_at_once),
		cmocka_unit_test(process_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
