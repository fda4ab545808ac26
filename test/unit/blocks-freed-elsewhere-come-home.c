/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves what threads leave to each other: blocks freed by other threads are had again by the one that allocated them,
 * caches of threads that ended are parked and taken over, their slabs adopted with what others sent to them, and however
 * many threads come and go, neither caches nor memory grow.
 */
#include <fallow/arena.h>

#include <pthread.h>
#include <string.h>

#include "cache/threads.h"
#include "test/lib/test.h"

#define SIZE 200
#define NBLOCKS 4000
#define NTHREADS 300
#define NROUNDS 20

static struct fallow_arena *arena;
static void *blocks[NBLOCKS];

static int create_arena(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	(void)state;
	options.decay_ms = FALLOW_DECAY_NEVER;
	return fallow_arena_create(&options, &arena);
}

static int destroy_arena(void **state)
{
	(void)state;
	fallow_arena_destroy(arena);
	return 0;
}

static void *allocate_all(void *unused)
{
	for (size_t i = 0; i < NBLOCKS; i++) {
		blocks[i] = fallow_arena_malloc(arena, SIZE);
		if (blocks[i])
			memset(blocks[i], (int)i, SIZE);
	}
	return unused;
}

static void *free_all(void *unused)
{
	for (size_t i = 0; i < NBLOCKS; i++)
		fallow_arena_free(arena, blocks[i]);
	return unused;
}

static void in_a_thread(void *(*fn)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_join(thread, NULL);
}

static size_t taken(void)
{
	return __atomic_load_n(&arena->taken, __ATOMIC_RELAXED);
}

static size_t ncaches(void)
{
	size_t n = 0;

	for (const struct fl_cache *cache = arena->caches; cache; cache = cache->next)
		n++;
	return n;
}

static void assert_contents(void)
{
	for (size_t i = 0; i < NBLOCKS; i++) {
		const unsigned char *bytes = blocks[i];

		assert_non_null(bytes);
		for (size_t at = 0; at < SIZE; at++)
			assert_int_equal(bytes[at], (unsigned char)i);
	}
}

/* All of it given back: nothing is held by a cache for a block that no longer is. */
static void assert_nothing_left(void)
{
	/* A trim may send slots from one parked cache to another: the next one finds them. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(fallow_arena_trim(arena, NULL), 0);
	assert_int_equal(taken(), 0);
	assert_int_equal(arena->nslabs, 0);
	assert_int_equal(arena->region->present, 0);
}

static void the_owner_has_them_again(void **state)
{
	(void)state;
	allocate_all(NULL);
	size_t before = taken();
	for (int i = 0; i < NROUNDS; i++) {
		in_a_thread(free_all);
		allocate_all(NULL);
		assert_int_equal(taken(), before);
		assert_contents();
	}
	free_all(NULL);
	assert_nothing_left();
}

/* The thread allocates and ends; its cache is parked, frees go to it nevertheless, and whoever needs slots adopts them. */
static void slabs_of_the_dead_are_adopted(void **state)
{
	(void)state;
	in_a_thread(allocate_all);
	assert_int_equal(arena->nparked, 1);
	assert_null(arena->parked->thread);
	size_t before = taken();
	assert_contents();
	free_all(NULL);
	struct fl_cache *own = fl_cache_of(arena);
	assert_non_null(own);
	fl_cache_send_all(own);
	assert_int_equal(own->outgoing, 0);
	allocate_all(NULL);
	/* A slab that this thread had begun with, and one that stays with the dead, at most. */
	assert_true(taken() <= before + 2 * FL_GRANULE);
	assert_contents();
	free_all(NULL);
	assert_nothing_left();
}

static void *hold_a_cache(void *cache)
{
	*(struct fl_cache **)cache = fl_cache_of(arena);
	return NULL;
}

static void caches_of_the_dead_are_taken_over(void **state)
{
	struct fl_cache *first = NULL, *second = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, hold_a_cache, &first), 0);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_create(&thread, NULL, hold_a_cache, &second), 0);
	pthread_join(thread, NULL);
	assert_non_null(first);
	assert_ptr_equal(second, first);
	assert_int_equal(ncaches(), 1);
	assert_int_equal(arena->nparked, 1);
}

static void *live_shortly(void *kept)
{
	void *own[50];

	for (size_t i = 0; i < FL_LENGTH(own); i++)
		own[i] = fallow_arena_malloc(arena, SIZE + i);
	*(void **)kept = own[0];
	for (size_t i = 1; i < FL_LENGTH(own); i++)
		fallow_arena_free(arena, own[i]);
	return NULL;
}

static void many_short_threads_cost_nothing(void **state)
{
	size_t after_first = 0, large = 0;

	(void)state;
	for (int i = 0; i < NTHREADS; i++) {
		pthread_t pair[2];
		void *kept[2];

		for (int j = 0; j < 2; j++)
			assert_int_equal(pthread_create(&pair[j], NULL, live_shortly, &kept[j]), 0);
		for (int j = 0; j < 2; j++)
			pthread_join(pair[j], NULL);
		for (int j = 0; j < 2; j++)
			fallow_arena_free(arena, kept[j]);
		after_first = i == NTHREADS / 10 ? taken() : after_first;
		large = fl_max(large, taken());
	}
	assert_true(ncaches() <= 4);
	assert_true(large <= 2 * after_first);
	assert_nothing_left();
}

/* A pipeline: one allocates, the other frees, both at the same time. */
static struct {
	void *slots[256];
	size_t written, read; /* atomic */
} pipeline;

static void *consume(void *unused)
{
	for (size_t i = 0; i < NBLOCKS * NROUNDS; i++) {
		while (__atomic_load_n(&pipeline.written, __ATOMIC_ACQUIRE) == i)
			sched_yield();
		fallow_arena_free(arena, pipeline.slots[i % FL_LENGTH(pipeline.slots)]);
		__atomic_store_n(&pipeline.read, i + 1, __ATOMIC_RELEASE);
	}
	return unused;
}

static void a_pipeline_does_not_grow(void **state)
{
	size_t most = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, consume, NULL), 0);
	for (size_t i = 0; i < NBLOCKS * NROUNDS; i++) {
		while (i - __atomic_load_n(&pipeline.read, __ATOMIC_ACQUIRE) >= FL_LENGTH(pipeline.slots))
			sched_yield();
		pipeline.slots[i % FL_LENGTH(pipeline.slots)] = fallow_arena_malloc(arena, SIZE);
		__atomic_store_n(&pipeline.written, i + 1, __ATOMIC_RELEASE);
		most = fl_max(most, taken());
	}
	pthread_join(thread, NULL);
	/* What is under way, in outboxes and in the inbox, and slabs that are not quite empty. */
	assert_true(most <= 16 * FL_GRANULE);
	assert_nothing_left();
}

/* Threads without a cache in the arena, of all arenas at once: blocks find their arena. */
static void blocks_find_their_arena(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *other;

	(void)state;
	options.decay_ms = FALLOW_DECAY_NEVER;
	assert_int_equal(fallow_arena_create(&options, &other), 0);
	in_a_thread(allocate_all);
	void *foreign = fallow_arena_malloc(other, SIZE);
	assert_ptr_equal(fl_cache_arena_of(foreign), other);
	assert_ptr_equal(fl_cache_arena_of(blocks[0]), arena);
	in_a_thread(free_all);
	fallow_arena_free(other, foreign);
	fallow_arena_destroy(other);
	assert_nothing_left();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_owner_has_them_again, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(slabs_of_the_dead_are_adopted, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(caches_of_the_dead_are_taken_over, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(many_short_threads_cost_nothing, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(a_pipeline_does_not_grow, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(blocks_find_their_arena, create_arena, destroy_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
