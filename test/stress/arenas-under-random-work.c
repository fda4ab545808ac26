/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several arenas with limits under random work of many threads, so that NULL is an answer again and again: every block
 * keeps its contents, children of fork are whole, limits hold, and when all is freed an arena holds nothing.
 */
#include <fallow/arena.h>

#include "test/lib/place.h"
#include "test/stress/work.h"

#define MiB ((size_t)1 << 20)

static struct fallow_arena *create(enum fallow_backing backing, size_t limit, unsigned int decay_ms)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = backing;
	options.limit = limit;
	options.decay_ms = decay_ms;
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

/* A child works on shared memory as well as its parent does, so a memfd has to be private here. */
static struct fallow_arena *create_private_memfd(size_t limit)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = FALLOW_BACKING_MEMFD;
	options.share = FALLOW_SHARE_PRIVATE;
	options.limit = limit;
	options.decay_ms = FALLOW_DECAY_NEVER;
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static void check_empty(struct fallow_arena *arena)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	/* A trim may send slots from one parked cache to another: the next one finds them. */
	for (int i = 0; i < 3; i++)
		must_equal(fallow_arena_trim(arena, NULL), 0);
	must_equal(fallow_arena_stats(arena, &stat), 0);
	must_equal(stat.taken, 0);
	must_equal(stat.populated, 0);
	must(stat.failures > 0);
}

int main(void)
{
	struct work work = { .null_is_an_answer = true, .size_shift = 20 };

	work.arenas[work.narenas++] = create(FALLOW_BACKING_ANON, 4 * MiB, 10);
	work.arenas[work.narenas++] = create(FALLOW_BACKING_ANON, MiB, 0);
	work.arenas[work.narenas++] = create(FALLOW_BACKING_ANON, 2 * MiB, FALLOW_DECAY_NEVER);
	work.arenas[work.narenas++] = create_private_memfd(2 * MiB);
	work_run(&work);
	must(work.nnull > 0);
	for (unsigned int i = 0; i < work.narenas; i++) {
		check_empty(work.arenas[i]);
		fallow_arena_destroy(work.arenas[i]);
	}
	return 0;
}
