/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the pressure callback is called with what is needed before a request fails, in the thread that asks and
 * without a lock; that true has the request tried again, at most 16 times; that false, or no callback, lets it fail;
 * and that a request from inside the callback does not call it again.
 */
#include <errno.h>
#include <pthread.h>

#include <fallow/arena.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)
#define BLOCK (256u << 10)
#define NBLOCKS 64

struct purse {
	struct fallow_arena *arena;
	unsigned char *blocks[NBLOCKS];
	int nblocks;
	int ncalls;
	int depth;
	int depth_seen;
	size_t needed;
	pthread_t thread;
	bool answer;
	bool frees;
	bool asks;
};

static bool press(struct fallow_arena *arena, size_t needed, void *context)
{
	struct purse *purse = context;

	purse->depth++;
	purse->depth_seen = purse->depth > purse->depth_seen ? purse->depth : purse->depth_seen;
	purse->ncalls++;
	purse->needed = needed;
	purse->thread = pthread_self();
	assert_ptr_equal(arena, purse->arena);
	if (purse->asks)
		assert_null(fallow_arena_malloc(arena, 4 * MiB));
	if (purse->frees && purse->nblocks > 0)
		fallow_arena_free(arena, purse->blocks[--purse->nblocks]);
	purse->depth--;
	return purse->answer;
}

/* An arena of 4 MiB, full. */
static void set_up(struct purse *purse)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	*purse = (struct purse){ 0 };
	options.limit = 4 * MiB;
	assert_int_equal(fallow_arena_create(&options, &purse->arena), 0);
	while (purse->nblocks < NBLOCKS) {
		unsigned char *block = fallow_arena_malloc(purse->arena, BLOCK);

		if (block == NULL)
			break;
		purse->blocks[purse->nblocks++] = block;
	}
	assert_in_range(purse->nblocks, 15, 16);
	assert_int_equal(fallow_arena_on_pressure(purse->arena, press, purse), 0);
}

static void freeing_helps(void **state)
{
	struct purse purse;
	unsigned char *block;

	(void)state;
	set_up(&purse);
	purse.answer = purse.frees = true;
	block = fallow_arena_malloc(purse.arena, BLOCK);
	assert_non_null(block);
	pattern_write(block, BLOCK, 1);
	assert_in_range(purse.ncalls, 1, 2);
	assert_true(purse.needed >= BLOCK);
	assert_true(pthread_equal(purse.thread, pthread_self()));
	fallow_arena_destroy(purse.arena);
}

static void every_call_is_asked_for(void **state)
{
	struct purse purse;
	unsigned char *block;

	(void)state;
	set_up(&purse);
	purse.answer = purse.frees = true;
	block = fallow_arena_calloc(purse.arena, 1, BLOCK);
	assert_non_null(block);
	assert_true(pattern_zero(block, BLOCK));
	purse.ncalls = 0;
	assert_non_null(fallow_arena_aligned_alloc(purse.arena, 4096, BLOCK));
	assert_true(purse.ncalls >= 1);
	purse.ncalls = 0;
	pattern_write(block, BLOCK, 2);
	block = fallow_arena_realloc(purse.arena, block, 2 * BLOCK);
	assert_non_null(block);
	assert_true(pattern_holds(block, BLOCK, 2));
	assert_true(purse.ncalls >= 1);
	fallow_arena_destroy(purse.arena);
}

static void what_several_calls_free_adds_up(void **state)
{
	struct purse purse;

	(void)state;
	set_up(&purse);
	purse.answer = purse.frees = true;
	assert_non_null(fallow_arena_malloc(purse.arena, 4 * BLOCK));
	assert_in_range(purse.ncalls, 4, 16);
	fallow_arena_destroy(purse.arena);
}

static void true_without_freeing_ends(void **state)
{
	struct purse purse;

	(void)state;
	set_up(&purse);
	purse.answer = true;
	errno = 0;
	assert_null(fallow_arena_malloc(purse.arena, BLOCK));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(purse.ncalls, 16);
	fallow_arena_destroy(purse.arena);
}

static void false_fails_at_once(void **state)
{
	struct purse purse;

	(void)state;
	set_up(&purse);
	purse.frees = true;
	errno = 0;
	assert_null(fallow_arena_malloc(purse.arena, BLOCK));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(purse.ncalls, 1);
	fallow_arena_destroy(purse.arena);
}

static void is_not_entered_again(void **state)
{
	struct purse purse;

	(void)state;
	set_up(&purse);
	purse.answer = purse.frees = purse.asks = true;
	assert_non_null(fallow_arena_malloc(purse.arena, BLOCK));
	assert_true(purse.ncalls >= 1);
	assert_int_equal(purse.depth_seen, 1);
	fallow_arena_destroy(purse.arena);
}

static void none_fails_at_once(void **state)
{
	struct purse purse;

	(void)state;
	set_up(&purse);
	purse.answer = purse.frees = true;
	assert_int_equal(fallow_arena_on_pressure(purse.arena, NULL, NULL), 0);
	assert_null(fallow_arena_malloc(purse.arena, BLOCK));
	assert_int_equal(purse.ncalls, 0);
	fallow_arena_destroy(purse.arena);
}

static void is_not_asked_what_nothing_can_help(void **state)
{
	struct purse purse;
	volatile size_t too_large = PTRDIFF_MAX;

	(void)state;
	set_up(&purse);
	purse.answer = true;
	assert_null(fallow_arena_malloc(purse.arena, too_large + 1));
	assert_null(fallow_arena_calloc(purse.arena, too_large, 3));
	assert_int_equal(purse.ncalls, 0);
	fallow_arena_destroy(purse.arena);
}

static void even_no_bytes_need_a_place(void **state)
{
	struct purse purse;

	(void)state;
	set_up(&purse);
	while (fallow_arena_malloc(purse.arena, 0) != NULL)
		;
	assert_int_equal(purse.ncalls, 1);
	assert_int_equal(purse.needed, 1);
	fallow_arena_destroy(purse.arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(freeing_helps),
		cmocka_unit_test(every_call_is_asked_for),
		cmocka_unit_test(what_several_calls_free_adds_up),
		cmocka_unit_test(true_without_freeing_ends),
		cmocka_unit_test(false_fails_at_once),
		cmocka_unit_test(is_not_entered_again),
		cmocka_unit_test(none_fails_at_once),
		cmocka_unit_test(is_not_asked_what_nothing_can_help),
		cmocka_unit_test(even_no_bytes_need_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
