/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls malloc and free in a fixed pattern, for instruction counts.
 *
 * A run costs start-up + rounds * (loop + allocator). Two runs with different
 * rounds take the start-up away, and the same pattern over functions that
 * return at once ("null" as fourth argument) takes the loop away: what is left
 * is the allocator alone. Nothing is allocated except by the pattern.
 *
 * Patterns: pair     malloc, free, again, while BATCH others of the same sizes live
 *           lone     the same with nothing else alive
 *           batch    allocate BATCH, free them in the same order
 *           reverse  allocate BATCH, free them last one first
 *           random   allocate BATCH, free them in a shuffled order
 *           calloc   calloc, free, again
 *           cxx      operator new, sized operator delete, again
 * Size 0 stands for a fixed mix of 8 to 1024 bytes.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1000 };

typedef void *alloc_fn(size_t);
typedef void *calloc_fn(size_t, size_t);
typedef void free_fn(void *);
typedef void sized_free_fn(void *, size_t);

/* One instruction each, so that the subtraction is exact. */
void null_alloc(void);
void null_free(void);
__asm__(".text\n"
		".globl null_alloc\nnull_alloc: ret\n"
		".globl null_free\nnull_free: ret\n");

static size_t sizes[BATCH];
static uint16_t order[BATCH];
static void *slots[BATCH];

static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void sizes_fill(size_t size)
{
	uint32_t state = 42;

	for (int i = 0; i < BATCH; i++) {
		/* Small sizes are the common ones: a power of two, then a place in it. */
		size_t top = (size_t)8 << (random_next(&state) % 7);
		sizes[i] = size ? size : top + random_next(&state) % (top + 1);
	}
}

static void order_fill(const char *pattern)
{
	uint32_t state = 7;

	for (int i = 0; i < BATCH; i++)
		order[i] = (uint16_t)(strcmp(pattern, "reverse") ? i : BATCH - 1 - i);
	if (strcmp(pattern, "random"))
		return;
	for (int i = BATCH - 1; i > 0; i--) {
		int j = (int)(random_next(&state) % (uint32_t)(i + 1));
		uint16_t kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
}

/* Keeps blocks of every size alive, as programs do. */
static void neighbours_take(alloc_fn *alloc)
{
	for (int i = 0; i < BATCH; i++)
		slots[i] = alloc(sizes[i]);
}

/* The pointers are volatile, so that each call is a call. */
static void pairs(long rounds, alloc_fn *volatile alloc, free_fn *volatile release)
{
	for (long r = 0; r < rounds; r++)
		for (int i = 0; i < BATCH; i++)
			release(alloc(sizes[i]));
}

static void batches(long rounds, alloc_fn *volatile alloc, free_fn *volatile release)
{
	for (long r = 0; r < rounds; r++) {
		for (int i = 0; i < BATCH; i++)
			slots[i] = alloc(sizes[i]);
		for (int i = 0; i < BATCH; i++)
			release(slots[order[i]]);
	}
}

static void callocs(long rounds, calloc_fn *volatile alloc, free_fn *volatile release)
{
	for (long r = 0; r < rounds; r++)
		for (int i = 0; i < BATCH; i++)
			release(alloc(1, sizes[i]));
}

static void news(long rounds, alloc_fn *volatile alloc, sized_free_fn *volatile release)
{
	for (long r = 0; r < rounds; r++)
		for (int i = 0; i < BATCH; i++)
			release(alloc(sizes[i]), sizes[i]);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: pairs pair|lone|batch|reverse|random|calloc|cxx size rounds [null]\n");
		return 2;
	}
	const char *pattern = argv[1];
	size_t size = strtoul(argv[2], NULL, 10);
	long rounds = strtol(argv[3], NULL, 10);
	int null = argc > 4;
	alloc_fn *alloc = null ? (alloc_fn *)(uintptr_t)null_alloc : malloc;
	free_fn *release = null ? (free_fn *)(uintptr_t)null_free : free;

	sizes_fill(size);
	order_fill(pattern);
	if (!strcmp(pattern, "pair") || !strcmp(pattern, "calloc") || !strcmp(pattern, "cxx"))
		neighbours_take(alloc);
	if (!strcmp(pattern, "pair") || !strcmp(pattern, "lone"))
		pairs(rounds, alloc, release);
	else if (!strcmp(pattern, "batch") || !strcmp(pattern, "reverse") || !strcmp(pattern, "random"))
		batches(rounds, alloc, release);
	else if (!strcmp(pattern, "calloc"))
		callocs(rounds, null ? (calloc_fn *)(uintptr_t)null_alloc : calloc, release);
	else if (!strcmp(pattern, "cxx")) {
		/* A preloaded allocator's operators come before those of the C++ library. */
		if (!dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL))
			return 77;
		alloc_fn *new = (alloc_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, "_Znwm");
		sized_free_fn *delete = (sized_free_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, "_ZdlPvm");
		news(rounds, null ? alloc : new, null ? (sized_free_fn *)(uintptr_t)null_free : delete);
	} else {
		fprintf(stderr, "pairs: unknown pattern %s\n", pattern);
		return 2;
	}
	return 0;
}
