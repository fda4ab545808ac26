/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See work.h. A block carries its size and a mark in its first two words and a pattern made of the mark in the others;
 * blocks below three words have a pattern only. Blocks that wait for another thread lie in a table of atomic pointers.
 */
#include "test/stress/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fallow/malloc.h>
#include <fallow/stats.h>

#include "test/lib/place.h"
#include "test/unit/random.h"

#define NTHREADS 4
#define NOWN 64
#define NSHARED 256
#define LIFE 3000 /* steps of a thread, at most */
#define CHILD_SECONDS 60
#define FORK_EVERY_MS 150

struct block {
	unsigned char *bytes;
	size_t size;
	uint64_t mark;
};

struct worker {
	struct work *work;
	uint64_t random;
	struct block own[NOWN];
	unsigned long nrequests;
	unsigned long nnull;
	bool alone; /* in a child: leaves what other threads share alone */
};

#if defined(__SANITIZE_THREAD__)
/* A child of fork may start the helper. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

static void *shared[NSHARED]; /* atomic: blocks of at least three words */

/* Blocks and their patterns */

static uint64_t pattern(uint64_t mark, size_t i)
{
	return (mark + i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(const struct block *block)
{
	size_t nwords = block->size / 8;
	uint64_t *words = (uint64_t *)block->bytes;

	for (size_t i = 0; i < nwords; i++)
		words[i] = pattern(block->mark, i);
	for (size_t i = nwords * 8; i < block->size; i++)
		block->bytes[i] = (unsigned char)block->mark;
	if (nwords >= 3) {
		words[0] = block->size;
		words[1] = block->mark;
	}
}

/* The first size bytes are what fill() wrote. */
static void check(const struct block *block, size_t size)
{
	size_t nwords = size / 8;
	const uint64_t *words = (const uint64_t *)block->bytes;
	bool carries = block->size / 8 >= 3;

	if (carries && nwords >= 2) {
		must_equal(words[0], block->size);
		must_equal(words[1], block->mark);
	}
	for (size_t i = carries ? 2 : 0; i < nwords; i++)
		must(words[i] == pattern(block->mark, i));
	if (size == block->size) {
		for (size_t i = nwords * 8; i < size; i++)
			must(block->bytes[i] == (unsigned char)block->mark);
	}
}

/* Requests */

static size_t random_size(struct worker *worker)
{
	unsigned int shift = (unsigned int)random_below(&worker->random, worker->work->size_shift + 1);

	/* Most blocks are small in most programs. */
	if (random_below(&worker->random, 4) != 0)
		shift %= 12;
	return random_below(&worker->random, (size_t)1 << shift) + 1;
}

static struct fallow_arena *any_arena(struct worker *worker)
{
	return worker->work->arenas[random_below(&worker->random, worker->work->narenas)];
}

static bool accept(struct worker *worker, const void *bytes)
{
	struct fallow_failure failure;

	worker->nrequests++;
	if (bytes != NULL)
		return true;
	must_equal(errno, ENOMEM);
	must(worker->work->null_is_an_answer);
	fallow_last_failure(&failure);
	must(failure.reason != FALLOW_REASON_NONE);
	worker->nnull++;
	return false;
}

static void take_over(struct worker *worker, struct block *block, unsigned char *bytes, size_t size)
{
	*block = (struct block){ bytes, size, random_next(&worker->random) };
	fill(block);
}

static void make(struct worker *worker, struct block *block)
{
	struct fallow_arena *arena = any_arena(worker);
	size_t size = random_size(worker), alignment = 16;
	unsigned char *bytes;

	errno = 0;
	switch (random_below(&worker->random, 4)) {
	case 0:
		bytes = arena ? fallow_arena_calloc(arena, 1, size) : fallow_calloc(1, size);
		for (size_t i = 0; bytes && i < size; i++)
			must(bytes[i] == 0);
		break;
	case 1:
		alignment = (size_t)1 << random_below(&worker->random, 17);
		bytes = arena ? fallow_arena_aligned_alloc(arena, alignment, size) : fallow_aligned_alloc(alignment, size);
		break;
	default:
		bytes = arena ? fallow_arena_malloc(arena, size) : fallow_malloc(size);
		break;
	}
	if (!accept(worker, bytes))
		return;
	must_equal((uintptr_t)bytes % alignment, 0);
	must(fallow_usable_size(bytes) >= size);
	take_over(worker, block, bytes, size);
}

/* fallow_free() and fallow_realloc() take blocks of every arena. */
static void let_go(struct block *block)
{
	check(block, block->size);
	fallow_free(block->bytes);
	block->bytes = NULL;
}

static void resize(struct worker *worker, struct block *block)
{
	size_t size = random_size(worker);

	errno = 0;
	unsigned char *bytes = fallow_realloc(block->bytes, size);
	if (!accept(worker, bytes)) {
		check(block, block->size);
		return;
	}
	block->bytes = bytes;
	check(block, size < block->size ? size : block->size);
	take_over(worker, block, bytes, size);
}

/* Leave the block for others, and take what lies there. */
static void swap(struct worker *worker, struct block *block)
{
	if (worker->alone || block->size < 24)
		return;
	uint64_t *there = __atomic_exchange_n(&shared[random_below(&worker->random, NSHARED)], (void *)block->bytes,
					      __ATOMIC_ACQ_REL);
	*block = there ? (struct block){ (unsigned char *)there, there[0], there[1] } : (struct block){ 0 };
}

static void step(struct worker *worker)
{
	struct block *block = &worker->own[random_below(&worker->random, NOWN)];
	size_t choice = random_below(&worker->random, 1000);

	if (block->bytes == NULL)
		make(worker, block);
	else if (choice < 350)
		let_go(block);
	else if (choice < 600)
		resize(worker, block);
	else if (choice < 998)
		swap(worker, block);
	else if (any_arena(worker) != NULL)
		must_equal(fallow_arena_trim(any_arena(worker), NULL), 0);
}

static void let_all_go(struct worker *worker)
{
	for (size_t i = 0; i < NOWN; i++) {
		if (worker->own[i].bytes)
			let_go(&worker->own[i]);
	}
}

/* Threads and children */

static void *live(void *argument)
{
	struct worker *worker = argument;

	for (size_t left = 1 + random_below(&worker->random, LIFE); left > 0; left--)
		step(worker);
	let_all_go(worker);
	return NULL;
}

static _Noreturn void be_child(struct worker *worker)
{
	alarm(CHILD_SECONDS);
	worker->alone = true;
	for (int i = 0; i < 1000; i++)
		step(worker);
	let_all_go(worker);
	_exit(0);
}

static void have_child(struct worker *worker)
{
	int status;
	pid_t child = fork();

	must(child >= 0);
	if (child == 0)
		be_child(worker);
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
	worker->work->nforks++;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t setting(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : fallback;
}

static void begin(struct work *work, struct worker *worker, pthread_t *thread, uint64_t seed)
{
	*worker = (struct worker){ .work = work, .random = seed * 1000003 + work->nthreads++ };
	must_equal(pthread_create(thread, NULL, live, worker), 0);
}

static void finish(struct work *work, const struct worker *worker, pthread_t thread)
{
	must_equal(pthread_join(thread, NULL), 0);
	work->nrequests += worker->nrequests;
	work->nnull += worker->nnull;
}

void work_run(struct work *work)
{
	static struct worker workers[NTHREADS], own;
	pthread_t threads[NTHREADS];
	uint64_t seed = setting("STRESS_SEED", 1), start = now_ms(), forked = start;
	uint64_t end = start + setting("STRESS_SECONDS", 5) * 1000;

	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	own = (struct worker){ .work = work, .random = seed };
	for (size_t i = 0; i < NTHREADS; i++)
		begin(work, &workers[i], &threads[i], seed);
	for (size_t i = 0; now_ms() < end; i = (i + 1) % NTHREADS) {
		for (int steps = 0; steps < 500; steps++)
			step(&own);
		if (now_ms() - forked >= FORK_EVERY_MS) {
			have_child(&own);
			forked = now_ms();
		}
		finish(work, &workers[i], threads[i]);
		begin(work, &workers[i], &threads[i], seed);
	}
	for (size_t i = 0; i < NTHREADS; i++)
		finish(work, &workers[i], threads[i]);
	let_all_go(&own);
	work->nrequests += own.nrequests;
	work->nnull += own.nnull;
	for (size_t i = 0; i < NSHARED; i++) {
		struct block block = { .bytes = shared[i] };

		if (block.bytes == NULL)
			continue;
		block.size = ((uint64_t *)block.bytes)[0];
		block.mark = ((uint64_t *)block.bytes)[1];
		let_go(&block);
		shared[i] = NULL;
	}
	printf("%lu requests, %lu answered with NULL, by %lu threads with %lu forks\n", work->nrequests, work->nnull,
	       work->nthreads, work->nforks);
	must(work->nrequests > 0 && work->nforks > 0);
}
