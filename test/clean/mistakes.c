/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the tests of tools that judge programs: makes one mistake, in a block of an arena or of the heap.
 *
 *     mistakes arena|heap SIZE MISTAKE
 *
 * After the mistake, if it lives, there is ordinary work by three threads, in which there is nothing to find.
 */
#include <fallow/fallow.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NTHREADS 3
#define NSTEPS 200
#define NHANDED 64

static struct fallow_arena *arena;
static bool on_heap;
static size_t size;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *handed[NHANDED]; /* under lock */
static volatile int *counter; /* a block's; under lock, but for one mistake */
static bool races;

static char *take(size_t n)
{
	char *block = on_heap ? fallow_malloc(n) : fallow_arena_malloc(arena, n);

	if (block == NULL)
		exit(2);
	return block;
}

static void give(char *block)
{
	if (on_heap)
		fallow_free(block);
	else
		fallow_arena_free(arena, block);
}

static char *resize(char *block, size_t n)
{
	return on_heap ? fallow_realloc(block, n) : fallow_arena_realloc(arena, block, n);
}

/* Blocks go from thread to thread. */
static void *work(void *unused)
{
	for (size_t step = 0; step < NSTEPS; step++) {
		size_t n = 16 + step * 37 % 2000;
		char *mine = take(n), *theirs;

		memset(mine, (int)step, n);
		if (races)
			++*counter;
		pthread_mutex_lock(&lock);
		theirs = handed[step % NHANDED];
		handed[step % NHANDED] = mine;
		if (!races)
			++*counter;
		pthread_mutex_unlock(&lock);
		if (theirs) {
			theirs[0]++;
			give(resize(theirs, n + 1));
		}
	}
	return unused;
}

static void work_in_threads(void)
{
	pthread_t threads[NTHREADS];

	counter = memset(take(sizeof(*counter)), 0, sizeof(*counter));
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < NHANDED; i++) {
		give(handed[i]);
		handed[i] = NULL;
	}
	give((char *)counter);
}

static void overrun(char *block)
{
	block[size] = 1;
	give(block);
}

static void underrun(char *block)
{
	block[-1] = 1;
	give(block);
}

static void use_after_free(char *block)
{
	give(block);
	block[size / 2] = 1;
}

static void use_after_move(char *block)
{
	char *moved = resize(block, size + 1);

	block[0] = 1;
	give(moved);
}

static void use_after_reset(char *block)
{
	fallow_arena_reset(arena);
	block[0] = 1;
}

static void double_free(char *block)
{
	give(block);
	give(block);
}

/* What a realloc keeps is as it was, and what calloc gives is zero. */
static void uninitialised(char *block)
{
	char *zeros = on_heap ? fallow_calloc(1, size) : fallow_arena_calloc(arena, 1, size);

	block[0] = zeros[size - 1];
	give(zeros);
	block = resize(block, 2 * size);
	if (block[0] == 0)
		puts("zero");
	if (block[size / 2] == 0)
		puts("by chance");
	give(block);
}

/* With nothing left of its address in this function's frame. */
__attribute__((noinline)) static void lose(void)
{
	take(size)[0] = 1;
}

static void leak(char *block)
{
	lose();
	give(block);
}

/* No mistake: a block of malloc's is known by an address in a block of the arena's, and by no other. */
static void keep(char *block)
{
	static char **kept;

	kept = (char **)block;
	*kept = malloc(1000);
	(*kept)[0] = 1;
}

static void race(char *block)
{
	give(block);
	races = true;
}

static const struct {
	const char *name;
	void (*make)(char *block);
} mistakes[] = {
	{ "none", give },
	{ "overrun", overrun },
	{ "underrun", underrun },
	{ "use-after-free", use_after_free },
	{ "use-after-move", use_after_move },
	{ "use-after-reset", use_after_reset },
	{ "double-free", double_free },
	{ "uninitialised", uninitialised },
	{ "leak", leak },
	{ "keep", keep },
	{ "race", race },
};

int main(int argc, char **argv)
{
	if (argc != 4 || fallow_arena_create(NULL, &arena) != 0)
		return 2;
	on_heap = strcmp(argv[1], "heap") == 0;
	size = strtoul(argv[2], NULL, 0);
	char *before = take(size);
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		if (strcmp(argv[3], mistakes[i].name) != 0)
			continue;
		mistakes[i].make(take(size));
		work_in_threads();
		if (mistakes[i].make != use_after_reset)
			give(before);
		/* A destroyed arena leaks nothing, and keeps nothing. */
		if (mistakes[i].make != leak && mistakes[i].make != keep)
			fallow_arena_destroy(arena);
		return 0;
	}
	return 2;
}
