/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that small requests on a backing which has nothing left fail without a trace: every page of the arena that was
 * present is, no other came, and what was written is still there.
 */
#include <errno.h>
#include <unistd.h>

#include "test/kernel/backings.h"
#include "test/kernel/hoard.h"
#include "test/kernel/residency.h"
#include "test/lib/lives.h"

static void fail_without_trace(void *argument)
{
	static const struct hoard_sizes sizes = { "100 B and 5000 B", { 5000, 100 } };
	static const size_t refused[] = { 100, 5000, 1 << 16, 1 << 20 };
	const struct backing *backing = argument;
	struct fallow_arena_options options = backing_options(backing);
	struct heap heap;
	struct residency before, after;
	struct fallow_arena *arena = NULL;
	struct hoard hoard;
	long long there;

	options.reserve = (size_t)128 << 20;
	options.decay_ms = FALLOW_DECAY_NEVER;
	must_equal(fallow_arena_create(&options, &arena), 0);
	heap = arena_heap(arena);
	hoard_fill(&hoard, &heap, &sizes, backing->reason, 32 << 20);
	must(hoard.nblocks > 100);
	there = backing->there(backing);
	residency_take(&before, hoard.first);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		errno = 0;
		must(fallow_arena_malloc(arena, refused[i]) == NULL);
		must_equal(errno, ENOMEM);
	}
	residency_take(&after, hoard.first);
	must(before.npresent > 0);
	residency_must_be_same(&before, &after);
	must_equal(backing->there(backing), there);
	hoard_check(&hoard, &heap);
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
	return backings_main("rollback of small blocks", finite_backings, NFINITE, leaves_no_trace);
}
