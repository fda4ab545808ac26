/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that every block is aligned to 16 bytes and an aligned one to what was asked for, for every power of two up to
 * 4 MiB and sizes below, at and beyond it; that all of usable_size() may be used; and that such blocks can be resized
 * and freed like any other.
 */
#include <errno.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define MOST ((size_t)4 << 20)
#define NSIZES 7

static void sizes_for(size_t alignment, size_t *sizes)
{
	const size_t all[NSIZES] = { 0, 1, alignment / 2 + 1, alignment, alignment + 1, 3 * alignment - 1, 100 };

	for (int i = 0; i < NSIZES; i++)
		sizes[i] = all[i];
}

static void check(void *block, size_t alignment, size_t size, size_t usable)
{
	assert_non_null(block);
	assert_true((uintptr_t)block % alignment == 0);
	assert_true((uintptr_t)block % 16 == 0);
	assert_true(usable >= size);
	pattern_write(block, usable, alignment + size);
}

static void in_an_arena(enum fallow_backing backing)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.backing = backing;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	for (size_t alignment = 1; alignment <= MOST; alignment *= 2) {
		unsigned char *blocks[NSIZES];
		size_t sizes[NSIZES], usable[NSIZES];

		sizes_for(alignment, sizes);
		for (int i = 0; i < NSIZES; i++) {
			blocks[i] = fallow_arena_aligned_alloc(arena, alignment, sizes[i]);
			usable[i] = fallow_arena_usable_size(arena, blocks[i]);
			check(blocks[i], alignment, sizes[i], usable[i]);
		}
		for (int i = 0; i < NSIZES; i++)
			assert_true(pattern_holds(blocks[i], usable[i], alignment + sizes[i]));
		for (int i = 0; i < NSIZES; i++) {
			size_t more = sizes[i] * 2 + 1;

			blocks[i] = fallow_arena_realloc(arena, blocks[i], more);
			assert_non_null(blocks[i]);
			assert_true((uintptr_t)blocks[i] % 16 == 0);
			assert_true(pattern_holds(blocks[i], usable[i] < more ? usable[i] : more, alignment + sizes[i]));
			fallow_arena_free(arena, blocks[i]);
		}
	}
	fallow_arena_destroy(arena);
}

static void ordinary_memory(void **state)
{
	(void)state;
	in_an_arena(FALLOW_BACKING_ANON);
}

static void memfd(void **state)
{
	(void)state;
	in_an_arena(FALLOW_BACKING_MEMFD);
}

static void process_heap(void **state)
{
	(void)state;
	for (size_t alignment = 1; alignment <= MOST; alignment *= 2) {
		size_t sizes[NSIZES];

		sizes_for(alignment, sizes);
		for (int i = 0; i < NSIZES; i++) {
			unsigned char *block = fallow_aligned_alloc(alignment, sizes[i]);

			check(block, alignment, sizes[i], fallow_usable_size(block));
			fallow_free(block);
		}
	}
}

static void every_size_is_aligned(void **state)
{
	struct fallow_arena *arena = NULL;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	for (size_t size = 0; size < 70000; size += 1 + size / 40) {
		void *block = fallow_arena_malloc(arena, size);

		check(block, 16, size, fallow_arena_usable_size(arena, block));
		block = fallow_malloc(size);
		check(block, 16, size, fallow_usable_size(block));
		fallow_free(block);
	}
	fallow_arena_destroy(arena);
}

static void no_power_of_two_is_refused(void **state)
{
	static const size_t bad[] = { 0, 3, 24, 4095, 4097, ((size_t)1 << 63) + 1 };
	struct fallow_arena *arena = NULL;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		volatile size_t alignment = bad[i];

		errno = 0;
		assert_null(fallow_arena_aligned_alloc(arena, alignment, 64));
		assert_int_equal(errno, EINVAL);
		errno = 0;
		assert_null(fallow_aligned_alloc(alignment, 64));
		assert_int_equal(errno, EINVAL);
	}
	fallow_arena_destroy(arena);
}

static void beyond_the_reservation_is_refused(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	(void)state;
	options.reserve = (size_t)64 << 20;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	for (size_t alignment = (size_t)1 << 34; alignment != 0; alignment *= 2) {
		void *block;

		errno = 0;
		block = fallow_arena_aligned_alloc(arena, alignment, 64);
		/* The only address with such an alignment that the reservation may hold. */
		if (block != NULL)
			assert_true((uintptr_t)block % alignment == 0);
		else
			assert_int_equal(errno, ENOMEM);
		fallow_arena_free(arena, block);
		if (alignment >= (size_t)1 << 47)
			assert_null(block);
	}
	assert_non_null(fallow_arena_malloc(arena, 64));
	fallow_arena_destroy(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(memfd),
		cmocka_unit_test(process_heap),
		cmocka_unit_test(every_size_is_aligned),
		cmocka_unit_test(no_power_of_two_is_refused),
		cmocka_unit_test(beyond_the_reservation_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
