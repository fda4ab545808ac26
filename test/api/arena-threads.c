/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that threads share an arena safely: eight of them allocate, resize and free at random, also what others have
 * allocated, and every block keeps its content; threads that end leave no memory behind; a limit holds under all.
 */
#include <pthread.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)
#define NTHREADS 8
#define NSTEPS 20000
#define NSLOTS 1024
#define SEED 99u

/* A place where a block waits for whichever thread comes by. */
struct slot {
	pthread_mutex_t mutex;
	unsigned char *bytes;
	size_t size;
	uint64_t seed;
};

struct crowd {
	struct fallow_arena *arena;
	bool limited; /* NULL is an answer */
	struct slot slots[NSLOTS];
};

struct worker {
	pthread_t thread;
	struct crowd *crowd;
	uint64_t random;
	bool broken;
};

static struct crowd crowd;

static size_t random_size(uint64_t *random)
{
	return 1 + pattern_random(random) % ((size_t)16 << pattern_random(random) % 13);
}

/* With the slot's block in hand: check it, then resize or replace it. False when something is not as it was. */
static bool work_on(struct worker *worker, struct slot *slot, uint64_t seed)
{
	struct fallow_arena *arena = worker->crowd->arena;
	size_t size = random_size(&worker->random);
	unsigned char *bytes;

	if (slot->bytes != NULL && !pattern_holds(slot->bytes, slot->size, slot->seed))
		return false;
	switch (pattern_random(&worker->random) % 4) {
	case 0:
		bytes = fallow_arena_realloc(arena, slot->bytes, size);
		if (bytes == NULL && slot->bytes != NULL && !pattern_holds(slot->bytes, slot->size, slot->seed))
			return false;
		if (bytes == NULL)
			return worker->crowd->limited;
		if (slot->bytes != NULL && !pattern_holds(bytes, slot->size < size ? slot->size : size, slot->seed))
			return false;
		break;
	case 1:
		fallow_arena_free(arena, slot->bytes);
		slot->bytes = NULL;
		return true;
	case 2:
		fallow_free(slot->bytes);
		bytes = slot->bytes = fallow_arena_calloc(arena, 1, size);
		if (bytes == NULL)
			return worker->crowd->limited;
		if (!pattern_zero(bytes, size))
			return false;
		break;
	default:
		fallow_arena_free(arena, slot->bytes);
		bytes = slot->bytes = fallow_arena_aligned_alloc(arena, (size_t)16 << seed % 9, size);
		if (bytes == NULL)
			return worker->crowd->limited;
		if ((uintptr_t)bytes % ((size_t)16 << seed % 9) != 0)
			return false;
	}
	pattern_write(bytes, size, seed);
	slot->bytes = bytes;
	slot->size = size;
	slot->seed = seed;
	return true;
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	for (uint64_t step = 0; step < NSTEPS && !worker->broken; step++) {
		struct slot *slot = &worker->crowd->slots[pattern_random(&worker->random) % NSLOTS];

		pthread_mutex_lock(&slot->mutex);
		worker->broken = !work_on(worker, slot, worker->random ^ step);
		pthread_mutex_unlock(&slot->mutex);
	}
	return NULL;
}

static void run_crowd(uint64_t round)
{
	struct worker workers[NTHREADS];

	for (uint64_t i = 0; i < NTHREADS; i++) {
		workers[i] = (struct worker){ .crowd = &crowd, .random = SEED + round * NTHREADS + i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (int i = 0; i < NTHREADS; i++)
		assert_false(workers[i].broken);
}

static struct fallow_arena_stat stat_of(struct fallow_arena *arena)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	assert_int_equal(fallow_arena_stats(arena, &stat), 0);
	return stat;
}

static void set_up(enum fallow_backing backing, size_t limit)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.backing = backing;
	options.limit = limit;
	crowd.arena = NULL;
	crowd.limited = limit != 0;
	assert_int_equal(fallow_arena_create(&options, &crowd.arena), 0);
	for (int i = 0; i < NSLOTS; i++)
		crowd.slots[i] = (struct slot){ .mutex = PTHREAD_MUTEX_INITIALIZER };
}

static void free_all(void)
{
	for (int i = 0; i < NSLOTS; i++) {
		if (crowd.slots[i].bytes != NULL)
			assert_true(pattern_holds(crowd.slots[i].bytes, crowd.slots[i].size, crowd.slots[i].seed));
		fallow_arena_free(crowd.arena, crowd.slots[i].bytes);
		crowd.slots[i].bytes = NULL;
	}
}

static void keep_content(enum fallow_backing backing)
{
	print_message("seed %u\n", SEED);
	set_up(backing, 0);
	for (uint64_t round = 0; round < 3; round++)
		run_crowd(round);
	free_all();
	assert_int_equal(fallow_arena_trim(crowd.arena, NULL), 0);
	/* The threads are gone, and everything is freed: nothing is held by what they have left. */
	assert_int_equal(stat_of(crowd.arena).taken, 0);
	assert_int_equal(stat_of(crowd.arena).populated, 0);
	fallow_arena_destroy(crowd.arena);
}

static void ordinary_memory(void **state)
{
	(void)state;
	keep_content(FALLOW_BACKING_ANON);
}

static void memfd(void **state)
{
	(void)state;
	keep_content(FALLOW_BACKING_MEMFD);
}

static void a_limit_holds(void **state)
{
	(void)state;
	set_up(FALLOW_BACKING_ANON, 4 * MiB);
	run_crowd(0);
	assert_true(stat_of(crowd.arena).failures > 0);
	assert_true(stat_of(crowd.arena).populated <= 4 * MiB);
	free_all();
	fallow_arena_destroy(crowd.arena);
}

/* One thread after the other, each with blocks that the next one frees. */
static void *take_and_leave(void *argument)
{
	struct worker *worker = argument;

	for (uint64_t i = 0; i < NSLOTS; i++) {
		struct slot *slot = &worker->crowd->slots[i];

		if (slot->bytes != NULL && !pattern_holds(slot->bytes, slot->size, slot->seed))
			worker->broken = true;
		fallow_arena_free(worker->crowd->arena, slot->bytes);
		slot->size = random_size(&worker->random) % 4096 + 1;
		slot->seed = worker->random;
		slot->bytes = fallow_arena_malloc(worker->crowd->arena, slot->size);
		if (slot->bytes == NULL)
			worker->broken = true;
		else
			pattern_write(slot->bytes, slot->size, slot->seed);
	}
	return NULL;
}

static void threads_that_end_leave_nothing(void **state)
{
	size_t early = 0;

	(void)state;
	set_up(FALLOW_BACKING_ANON, 0);
	for (uint64_t round = 0; round < 200; round++) {
		struct worker worker = { .crowd = &crowd, .random = SEED + round };

		assert_int_equal(pthread_create(&worker.thread, NULL, take_and_leave, &worker), 0);
		assert_int_equal(pthread_join(worker.thread, NULL), 0);
		assert_false(worker.broken);
		early = round == 20 ? stat_of(crowd.arena).taken : early;
	}
	print_message("%zu KiB taken after 20 threads, %zu after 200\n", early >> 10, stat_of(crowd.arena).taken >> 10);
	assert_true(stat_of(crowd.arena).taken <= 2 * early);
	free_all();
	fallow_arena_destroy(crowd.arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(memfd),
		cmocka_unit_test(a_limit_holds),
		cmocka_unit_test(threads_that_end_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
