/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that realloc keeps the content over every change of size, from 1 byte to 8 MiB up and down, on every backing
 * that is at hand, and that its corner cases are those of the header: NULL allocates, size 0 frees and returns NULL.
 */

#include <fallow/arena.h>
#include <fallow/malloc.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)

static const size_t sizes[] = {
	1, 16, 17, 100, 128, 129, 500, 1024, 4000, 4096, 4097, 8192, 15000, 16384, 32768, 32769, 60000, 65536, 100000, 262144,
	500000, 1 << 20, (1 << 20) + 1, 3 << 20, 8 << 20,
};

#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct fallow_arena *create(enum fallow_backing backing)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.backing = backing;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static void resize(struct fallow_arena *arena, size_t from, size_t to, uint64_t seed)
{
	size_t least = from < to ? from : to;
	unsigned char *block = fallow_arena_malloc(arena, from), *neighbour = fallow_arena_malloc(arena, from);

	assert_non_null(block);
	assert_non_null(neighbour);
	pattern_write(block, from, seed);
	pattern_write(neighbour, from, seed + 1);
	block = fallow_arena_realloc(arena, block, to);
	assert_non_null(block);
	assert_true((uintptr_t)block % 16 == 0);
	assert_true(fallow_arena_usable_size(arena, block) >= to);
	assert_true(pattern_holds(block, least, seed));
	pattern_write(block, to, seed + 2);
	assert_true(pattern_holds(neighbour, from, seed + 1));
	assert_true(pattern_holds(block, to, seed + 2));
	fallow_arena_free(arena, block);
	fallow_arena_free(arena, neighbour);
}

static void keeps_content(enum fallow_backing backing)
{
	struct fallow_arena *arena = create(backing);

	for (size_t i = 0; i < NSIZES; i++)
		for (size_t j = 0; j < NSIZES; j++)
			resize(arena, sizes[i], sizes[j], i * NSIZES + j);
	fallow_arena_destroy(arena);
}

static void ordinary_memory(void **state)
{
	(void)state;
	keeps_content(FALLOW_BACKING_ANON);
}

static void memfd(void **state)
{
	(void)state;
	keeps_content(FALLOW_BACKING_MEMFD);
}

static void process_heap(void **state)
{
	(void)state;
	for (size_t i = 0; i < NSIZES; i++)
		for (size_t j = 0; j < NSIZES; j++) {
			unsigned char *block = fallow_malloc(sizes[i]);

			assert_non_null(block);
			pattern_write(block, sizes[i], i);
			block = fallow_realloc(block, sizes[j]);
			assert_non_null(block);
			assert_true(pattern_holds(block, sizes[i] < sizes[j] ? sizes[i] : sizes[j], i));
			fallow_free(block);
		}
}

static void grows_step_by_step(void **state)
{
	struct fallow_arena *arena = create(FALLOW_BACKING_ANON);
	unsigned char *block = NULL;
	size_t size = 0;

	(void)state;
	while (size < 4 * MiB) {
		size_t more = size + size / 7 + 5;

		block = fallow_arena_realloc(arena, block, more);
		assert_non_null(block);
		for (size_t i = size; i < more; i++)
			block[i] = pattern_byte(3, i);
		size = more;
	}
	assert_true(pattern_holds(block, size, 3));
	while (size > 10) {
		size -= size / 5 + 1;
		block = fallow_arena_realloc(arena, block, size);
		assert_non_null(block);
		assert_true(pattern_holds(block, size, 3));
	}
	fallow_arena_destroy(arena);
}

static void corner_cases(void **state)
{
	struct fallow_arena *arena = create(FALLOW_BACKING_ANON);
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
	unsigned char *block = fallow_arena_realloc(arena, NULL, MiB);

	(void)state;
	assert_non_null(block);
	pattern_write(block, MiB, 5);
	assert_null(fallow_arena_realloc(arena, block, 0));
	assert_int_equal(fallow_arena_trim(arena, NULL), 0);
	assert_int_equal(fallow_arena_stats(arena, &stat), 0);
	assert_int_equal(stat.taken, 0);
	block = fallow_arena_realloc(arena, NULL, 0);
	assert_non_null(block);
	fallow_arena_free(arena, block);
	fallow_arena_destroy(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(memfd),
		cmocka_unit_test(process_heap),
		cmocka_unit_test(grows_step_by_step),
		cmocka_unit_test(corner_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
