/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a child of fork has a whole allocator, in whatever the other threads were at work: it finds its blocks as
 * they were, frees them, allocates in the process heap and in arenas of every ordinary backing, and the parent goes on.
 * What threads were in the middle of is lost to the child, and never handed out twice.
 */
#include <fallow/arena.h>
#include <fallow/malloc.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/threads.h"
#include "test/lib/test.h"
#include "test/unit/random.h"

#define NTHREADS 3
#define NFORKS 40
#define NSLOTS 100
#define CHILD_SECONDS 60

#if defined(__SANITIZE_THREAD__)
/* A child may start the helper. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

static struct {
	struct fallow_arena *arena;
	bool stop; /* atomic */
} crowd;

static size_t random_size(uint64_t *random)
{
	return random_below(random, 40) == 0 ? random_below(random, 200000) : random_below(random, 2000);
}

static void *allocate(bool in_arena, size_t size)
{
	unsigned char *block = in_arena ? fallow_arena_malloc(crowd.arena, size) : fallow_malloc(size);

	if (block)
		memset(block, (int)size, size);
	return block;
}

struct slot {
	unsigned char *block;
	size_t size;
};

static bool holds(const struct slot *slot)
{
	for (size_t i = 0; i < slot->size; i += 16) {
		if (slot->block[i] != (unsigned char)slot->size)
			return false;
	}
	return true;
}

/* A number of steps on one's own blocks; false when one of them is not as it was. */
static bool work(struct slot *slots, uint64_t *random, int nsteps)
{
	for (int i = 0; i < nsteps; i++) {
		struct slot *slot = &slots[random_below(random, NSLOTS)];

		if (slot->block && !holds(slot))
			return false;
		fallow_free(slot->block);
		slot->size = random_size(random);
		slot->block = allocate(random_next(random) & 1, slot->size);
		if (slot->block == NULL)
			return false;
	}
	return true;
}

static void free_slots(struct slot *slots)
{
	for (size_t i = 0; i < NSLOTS; i++)
		fallow_free(slots[i].block);
	memset(slots, 0, NSLOTS * sizeof(slots[0]));
}

static void *keep_busy(void *seed)
{
	struct slot slots[NSLOTS] = { 0 };
	uint64_t random = (uintptr_t)seed;
	bool good = true;

	while (good && !__atomic_load_n(&crowd.stop, __ATOMIC_RELAXED))
		good = work(slots, &random, 200);
	free_slots(slots);
	return good ? NULL : seed;
}

static bool arenas_work(enum fallow_backing backing)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = backing;
	options.decay_ms = 0;
	if (fallow_arena_create(&options, &arena) != 0)
		return false;
	unsigned char *block = fallow_arena_calloc(arena, 3, 50000);
	bool good = block && block[149999] == 0;
	fallow_arena_destroy(arena);
	return good;
}

static _Noreturn void be_child(struct slot *slots, uint64_t random)
{
	alarm(CHILD_SECONDS);
	if (!work(slots, &random, 2000))
		_exit(2);
	free_slots(slots);
	if (fallow_arena_trim(crowd.arena, NULL) != 0)
		_exit(3);
	if (!work(slots, &random, 500))
		_exit(4);
	if (!arenas_work(FALLOW_BACKING_ANON) || !arenas_work(FALLOW_BACKING_MEMFD))
		_exit(5);
	_exit(0);
}

static void children_are_whole(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct slot slots[NSLOTS] = { 0 };
	pthread_t threads[NTHREADS];
	uint64_t random = SEED;

	(void)state;
	options.decay_ms = 0;
	assert_int_equal(fallow_arena_create(&options, &crowd.arena), 0);
	for (uintptr_t i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_busy, (void *)(i + 1)), 0);
	for (int i = 0; i < NFORKS; i++) {
		int status;

		assert_true(work(slots, &random, 100));
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			be_child(slots, random);
		assert_true(work(slots, &random, 100));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < NTHREADS; i++) {
		void *broken;

		pthread_join(threads[i], &broken);
		assert_null(broken);
	}
	free_slots(slots);
	for (int i = 0; i < 3; i++)
		fallow_arena_trim(crowd.arena, NULL);
	assert_int_equal(crowd.arena->taken, 0);
	fallow_arena_destroy(crowd.arena);
}

/* Caches of threads that are not in the child are parked there, and taken over. */
static void *wait_to_stop(void *unused)
{
	fallow_arena_free(crowd.arena, fallow_arena_malloc(crowd.arena, 100));
	__atomic_store_n(&crowd.stop, false, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&crowd.stop, __ATOMIC_ACQUIRE))
		sched_yield();
	return unused;
}

static void caches_of_absent_threads_are_parked(void **state)
{
	pthread_t thread;
	int status;

	(void)state;
	crowd.stop = true;
	assert_int_equal(fallow_arena_create(NULL, &crowd.arena), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_to_stop, NULL), 0);
	while (__atomic_load_n(&crowd.stop, __ATOMIC_ACQUIRE))
		sched_yield();
	pid_t child = fork();
	if (child == 0) {
		struct fl_cache *parked = crowd.arena->parked;

		_exit(parked && parked->thread == NULL && crowd.arena->nparked == 1 &&
		      fl_cache_of(crowd.arena) == parked ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_null(crowd.arena->parked);
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	fallow_arena_destroy(crowd.arena);
}

int main(void)
{
#if defined(__SANITIZE_THREAD__)
	puts("ThreadSanitizer does not follow a fork of several threads");
	return 77;
#endif
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_are_whole),
		cmocka_unit_test(caches_of_absent_threads_are_parked),
	};

	printf("seed %#llx\n", (unsigned long long)SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
