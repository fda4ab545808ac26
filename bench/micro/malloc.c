/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The malloc family, one call pattern at a time: whichever allocator is preloaded.
 *
 * pair frees each block at once while others of its size live; batch frees a thousand in order; remote frees what another
 * thread allocated, a thousand at a time, and counts both threads' work.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gbench.h"

enum { BATCH = 1000 };

static const int64_t small_sizes[] = {8, 16, 32, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
static const int64_t all_sizes[] = {16, 256, 4096, 65536, 262144, 1048576, 4194304, 33554432};
static const int64_t few_sizes[] = {16, 64, 256, 1024, 4096};

static void neighbours_take(void **blocks, size_t size)
{
	for (int i = 0; i < BATCH; i++)
		blocks[i] = malloc(size);
}

static void neighbours_put(void **blocks)
{
	for (int i = 0; i < BATCH; i++)
		free(blocks[i]);
}

static void pair(struct gbench_state *state)
{
	size_t size = (size_t)gbench_argument(state);
	void *blocks[BATCH];

	neighbours_take(blocks, size);
	while (gbench_next(state, BATCH))
		for (int i = 0; i < BATCH; i++)
			free(gbench_kept(malloc(size)));
	neighbours_put(blocks);
}

static void batch(struct gbench_state *state)
{
	size_t size = (size_t)gbench_argument(state);
	void *blocks[BATCH];

	while (gbench_next(state, BATCH)) {
		neighbours_take(blocks, size);
		gbench_kept(blocks);
		neighbours_put(blocks);
	}
}

/* A page of each block is written: a block that nobody touches costs nothing but address space. */
static void large(struct gbench_state *state)
{
	size_t size = (size_t)gbench_argument(state);

	while (gbench_next(state, 1)) {
		volatile char *block = gbench_kept(malloc(size));
		for (size_t at = 0; at < size; at += 4096)
			block[at] = 1;
		free((void *)block);
	}
}

/* Blocks on their way from thread 0 to thread 1, and the empty crate back. */
static struct {
	void *blocks[BATCH];
	atomic_int full;
} crate;

static void remote(struct gbench_state *state)
{
	size_t size = (size_t)gbench_argument(state);
	int sender = gbench_thread(state) == 0;

	if (sender)
		atomic_store(&crate.full, 0);
	/* Both count the same number of batches, so nobody is left waiting. */
	while (gbench_next(state, BATCH)) {
		while (atomic_load(&crate.full) == sender)
			sched_yield();
		if (sender)
			neighbours_take(crate.blocks, size);
		else
			neighbours_put(crate.blocks);
		atomic_store(&crate.full, sender);
	}
}

static void grow(struct gbench_state *state)
{
	size_t most = (size_t)gbench_argument(state);

	while (gbench_next(state, 1)) {
		char *block = NULL;
		for (size_t size = 16; size <= most; size += size / 2) {
			block = realloc(block, size);
			block[size - 1] = 1;
		}
		free(gbench_kept(block));
	}
}

static void zeroed(struct gbench_state *state)
{
	size_t size = (size_t)gbench_argument(state);

	while (gbench_next(state, 1))
		free(gbench_kept(calloc(1, size)));
}

static void aligned(struct gbench_state *state)
{
	size_t alignment = (size_t)gbench_argument(state);
	void *blocks[BATCH];

	while (gbench_next(state, BATCH)) {
		for (int i = 0; i < BATCH; i++)
			if (posix_memalign(&blocks[i], alignment, 200))
				abort();
		neighbours_put(blocks);
	}
}

#define SIZES(list) .argument_name = "bytes", .arguments = (list), .narguments = sizeof(list) / sizeof((list)[0])

int main(int argc, char **argv)
{
	static const int64_t alignments[] = {16, 64, 256, 4096};
	static const int64_t lengths[] = {4096, 1 << 20, 64 << 20};
	static const struct gbench benchmarks[] = {
		{.name = "pair", .body = pair, SIZES(small_sizes)},
		{.name = "pair", .body = pair, SIZES(few_sizes), .nthreads = 4, .real_time = true},
		{.name = "batch", .body = batch, SIZES(small_sizes)},
		{.name = "batch", .body = batch, SIZES(few_sizes), .nthreads = 4, .real_time = true},
		{.name = "remote", .body = remote, SIZES(few_sizes), .nthreads = 2, .real_time = true},
		{.name = "large", .body = large, SIZES(all_sizes)},
		{.name = "grow", .body = grow, SIZES(lengths)},
		{.name = "calloc", .body = zeroed, SIZES(all_sizes)},
		{.name = "aligned", .body = aligned, SIZES(alignments)},
	};

	for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++)
		gbench_add(&benchmarks[i]);
	return gbench_main(argc, argv);
}
