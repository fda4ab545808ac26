/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a request which is larger than what a finite backing has left fails without a trace: every page of the
 * arena that was present is, no other came, what was written is still there, and what was left can still be had.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test/kernel/backings.h"
#include "test/kernel/residency.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define BLOCK (2 * MiB)
#define NBLOCKS 2
/* More than any of the backings has, and less than the arena has addresses for. */
#define TOO_MUCH (24 * MiB)
#define RESERVE (128 * MiB)

static void *request_plain(struct fallow_arena *arena, void *block)
{
	(void)block;
	return fallow_arena_malloc(arena, TOO_MUCH);
}

static void *request_zeroed(struct fallow_arena *arena, void *block)
{
	(void)block;
	return fallow_arena_calloc(arena, 1, TOO_MUCH);
}

static void *request_aligned(struct fallow_arena *arena, void *block)
{
	(void)block;
	return fallow_arena_aligned_alloc(arena, 4 * MiB, TOO_MUCH);
}

static void *request_growth(struct fallow_arena *arena, void *block)
{
	return fallow_arena_realloc(arena, block, TOO_MUCH);
}

static void must_leave_no_trace(const struct backing *backing, struct fallow_arena *arena, unsigned char *const *blocks,
				void *(*request)(struct fallow_arena *, void *))
{
	struct residency before, after;
	struct fallow_failure failure;
	long long there = backing->there(backing);

	residency_take(&before, blocks[0]);
	must_be_least(before.npresent, NBLOCKS * BLOCK / 4096);
	errno = 0;
	must(request(arena, blocks[0]) == NULL);
	must_equal(errno, ENOMEM);
	residency_take(&after, blocks[0]);
	residency_must_be_same(&before, &after);
	must_equal(backing->there(backing), there);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, backing->reason);
	for (int i = 0; i < NBLOCKS; i++)
		must(blocks[i][0] == i + 1 && memcmp(blocks[i], blocks[i] + 1, BLOCK - 1) == 0);
	residency_drop(&before);
	residency_drop(&after);
}

static void fail_without_trace(void *argument)
{
	const struct backing *backing = argument;
	struct fallow_arena_options options = backing_options(backing);
	struct fallow_arena *arena = NULL;
	unsigned char *blocks[NBLOCKS];

	options.reserve = RESERVE;
	options.decay_ms = FALLOW_DECAY_NEVER;
	must_equal(fallow_arena_create(&options, &arena), 0);
	for (int i = 0; i < NBLOCKS; i++) {
		blocks[i] = fallow_arena_malloc(arena, BLOCK);
		must(blocks[i] != NULL);
		memset(blocks[i], i + 1, BLOCK);
	}
	must_leave_no_trace(backing, arena, blocks, request_plain);
	must_leave_no_trace(backing, arena, blocks, request_zeroed);
	must_leave_no_trace(backing, arena, blocks, request_aligned);
	must_leave_no_trace(backing, arena, blocks, request_growth);
	for (int i = 0; i < 2; i++) {
		unsigned char *rest = fallow_arena_malloc(arena, BLOCK / 2);

		must(rest != NULL);
		memset(rest, 0xee, BLOCK / 2);
	}
	fallow_arena_destroy(arena);
	if (options.fd >= 0)
		close(options.fd);
}

static void leaves_no_trace(void **state)
{
	const struct backing *backing = *state;

	assert_lives(&backing->place, fail_without_trace, *state);
}

int main(void)
{
	return backings_main("rollback of large blocks", finite_backings, NFINITE, leaves_no_trace);
}
