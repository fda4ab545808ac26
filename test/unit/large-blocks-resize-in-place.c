/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a large block grows in place exactly where the granules behind it are free and the limit allows, shrinks by
 * giving its tail to whoever comes next, keeps its contents, and is untouched when it cannot be resized.
 */
#include "heap/large.h"

#include <string.h>

#include "diag/options.h"
#include "test/lib/test.h"

#define LIMIT (64 * FL_GRANULE)

static struct fallow_arena *create(size_t limit, bool shared)
{
	static struct fallow_arena arena;
	struct fl_region_options region = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 },
		.reserve = 64 * FL_MIB, .limit = shared ? 0 : limit, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_NEVER,
	};
	struct fl_arena_options options = { .region = region, .limit = limit };

	arena = (struct fallow_arena){ 0 };
	if (shared)
		assert_int_equal(fl_region_create(&region, &options.shared_region), 0);
	assert_int_equal(fl_arena_create(&arena, &options), 0);
	return &arena;
}

static void destroy(struct fallow_arena *arena)
{
	fl_arena_destroy(arena);
	if (arena->shares_region)
		fl_region_destroy(arena->region);
}

static unsigned char *allocate(struct fallow_arena *arena, size_t size)
{
	struct fl_failure failure;
	bool zero;
	unsigned char *block = fl_large_alloc(arena, size, 1, &zero, &failure);

	if (block)
		memset(block, 0xa5, size);
	return block;
}

static struct fl_large *large_of(struct fallow_arena *arena, const unsigned char *block)
{
	return fl_map_descriptor(fl_map_get(arena->region, fl_granule_of(arena->region, block)));
}

static bool resize(struct fallow_arena *arena, unsigned char *block, size_t size)
{
	return fl_large_resize(large_of(arena, block), block, size);
}

static void release(struct fallow_arena *arena, unsigned char *block)
{
	fl_large_free(large_of(arena, block), block);
}

static void assert_contents(const unsigned char *block, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(block[i], 0xa5);
}

static void it_grows_into_what_is_free(void **state)
{
	struct fallow_arena *arena = create(0, false);
	size_t size = 3 * FL_GRANULE + 100;
	unsigned char *block = allocate(arena, size);

	(void)state;
	assert_true(resize(arena, block, 10 * FL_GRANULE));
	assert_int_equal(arena->taken, 10 * FL_GRANULE);
	assert_int_equal(arena->region->taken, 10 * FL_GRANULE);
	assert_int_equal(arena->large, 10 * FL_GRANULE);
	assert_contents(block, size);
	memset(block, 0xa5, 10 * FL_GRANULE);
	/* Across the end of its unit, and of what is mapped. */
	assert_true(resize(arena, block, 5 * FL_MIB));
	memset(block + 10 * FL_GRANULE, 0xa5, 5 * FL_MIB - 10 * FL_GRANULE);
	assert_contents(block, 5 * FL_MIB);
	assert_int_equal(arena->nlarge, 1);
	release(arena, block);
	assert_int_equal(arena->taken, 0);
	assert_int_equal(arena->large, 0);
	destroy(arena);
}

static void it_does_not_grow_over_others(void **state)
{
	struct fallow_arena *arena = create(0, false);
	unsigned char *block = allocate(arena, 2 * FL_GRANULE), *other = allocate(arena, FL_GRANULE);

	(void)state;
	assert_ptr_equal(other, block + 2 * FL_GRANULE);
	assert_false(resize(arena, block, 2 * FL_GRANULE + 1));
	assert_int_equal(arena->taken, 3 * FL_GRANULE);
	assert_int_equal(large_of(arena, block)->size, 2 * FL_GRANULE);
	assert_contents(block, 2 * FL_GRANULE);
	assert_contents(other, FL_GRANULE);
	release(arena, other);
	assert_true(resize(arena, block, 2 * FL_GRANULE + 1));
	release(arena, block);
	destroy(arena);
}

static void its_tail_is_given_to_others(void **state)
{
	struct fallow_arena *arena = create(0, false);
	unsigned char *block = allocate(arena, 10 * FL_GRANULE);

	(void)state;
	assert_true(resize(arena, block, 4 * FL_GRANULE + 1));
	assert_int_equal(arena->taken, 5 * FL_GRANULE);
	unsigned char *other = allocate(arena, 5 * FL_GRANULE);
	assert_ptr_equal(other, block + 5 * FL_GRANULE);
	assert_contents(block, 4 * FL_GRANULE + 1);
	/* Within its last granule nothing changes but the size. */
	assert_true(resize(arena, block, 5 * FL_GRANULE));
	assert_true(resize(arena, block, 4 * FL_GRANULE + 7));
	assert_int_equal(arena->large, 4 * FL_GRANULE + 7 + 5 * FL_GRANULE);
	release(arena, block);
	release(arena, other);
	assert_int_equal(arena->taken, 0);
	destroy(arena);
}

/* The tail that was written must not be taken for zero. */
static void a_tail_that_was_written_is_not_zero(void **state)
{
	struct fallow_arena *arena = create(0, false);
	unsigned char *block = allocate(arena, 10 * FL_GRANULE);
	struct fl_failure failure;
	bool zero = true;

	(void)state;
	assert_true(resize(arena, block, 5 * FL_GRANULE));
	unsigned char *other = fl_large_alloc(arena, 5 * FL_GRANULE, 1, &zero, &failure);
	assert_ptr_equal(other, block + 5 * FL_GRANULE);
	assert_false(zero);
	release(arena, other);
	release(arena, block);
	fl_arena_purge(arena);
	block = fl_large_alloc(arena, 10 * FL_GRANULE, 1, &zero, &failure);
	assert_true(zero);
	for (size_t i = 0; i < 10 * FL_GRANULE; i++)
		assert_int_equal(block[i], 0);
	release(arena, block);
	destroy(arena);
}

static void the_limit_holds(void **state)
{
	(void)state;
	for (int shared = 0; shared <= 1; shared++) {
		struct fallow_arena *arena = create(LIMIT, shared);
		unsigned char *block = allocate(arena, LIMIT / 2);

		assert_false(resize(arena, block, LIMIT + 1));
		assert_int_equal(arena->taken, LIMIT / 2);
		assert_int_equal(arena->region->taken, LIMIT / 2);
		assert_int_equal(large_of(arena, block)->size, LIMIT / 2);
		assert_contents(block, LIMIT / 2);
		assert_true(resize(arena, block, LIMIT));
		assert_null(allocate(arena, 1));
		assert_true(resize(arena, block, LIMIT - FL_GRANULE));
		unsigned char *other = allocate(arena, 1);
		assert_non_null(other);
		release(arena, other);
		release(arena, block);
		assert_int_equal(arena->taken, 0);
		destroy(arena);
	}
}

static void impossible_sizes_are_refused(void **state)
{
	struct fallow_arena *arena = create(0, false);
	unsigned char *block = allocate(arena, FL_GRANULE);
	struct fl_failure failure;
	bool zero;

	(void)state;
	assert_false(resize(arena, block, 0));
	assert_false(resize(arena, block, (size_t)PTRDIFF_MAX + 1));
	assert_false(resize(arena, block, SIZE_MAX));
	assert_false(resize(arena, block, PTRDIFF_MAX));
	assert_false(resize(arena, block, 65 * FL_MIB));
	assert_null(fl_large_alloc(arena, SIZE_MAX, 1, &zero, &failure));
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
	assert_null(fl_large_alloc(arena, 1, (size_t)1 << 63, &zero, &failure));
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
	assert_null(fl_large_alloc(arena, 1, (size_t)1 << 62, &zero, &failure));
	assert_int_equal(failure.reason, FALLOW_REASON_ADDRESS_SPACE);
	assert_int_equal(arena->taken, FL_GRANULE);
	assert_contents(block, FL_GRANULE);
	release(arena, block);
	destroy(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_into_what_is_free),
		cmocka_unit_test(it_does_not_grow_over_others),
		cmocka_unit_test(its_tail_is_given_to_others),
		cmocka_unit_test(a_tail_that_was_written_is_not_zero),
		cmocka_unit_test(the_limit_holds),
		cmocka_unit_test(impossible_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
