/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that near a memory cgroup's limit idle memory is given back before a request is refused, whichever arena it is
 * idle in and however long that would keep it: what one arena had and freed, another gets, on ordinary memory and on
 * memfds. on_pressure is asked before the request fails, and the reason names the group.
 */
#include <string.h>

#include <fallow/arena.h>
#include <fallow/stats.h>

#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LIMIT (64 * MiB)
#define BLOCK 300000

struct block {
	struct block *next;
};

static int nasked;

static bool ask(struct fallow_arena *arena, size_t needed, void *context)
{
	(void)arena;
	(void)context;
	must_be_least(needed, BLOCK);
	nasked++;
	return false;
}

static struct fallow_arena *create(enum fallow_backing backing)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = backing;
	options.decay_ms = FALLOW_DECAY_NEVER;
	must_equal(fallow_arena_create(&options, &arena), 0);
	must_equal(fallow_arena_on_pressure(arena, ask, NULL), 0);
	return arena;
}

/* Take blocks until there is no more, write them, free them. Returns the bytes. */
static size_t take_all(struct fallow_arena *arena)
{
	struct block *first = NULL, *block;
	struct fallow_failure failure;
	size_t nbytes = 0;

	nasked = 0;
	while ((block = fallow_arena_malloc(arena, BLOCK)) != NULL) {
		block->next = first;
		first = block;
		nbytes += BLOCK;
		must_be_most(nbytes, LIMIT);
	}
	must_equal(nasked, 1);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_MEMORY_CGROUP);
	while ((block = first) != NULL) {
		first = block->next;
		memset(block, 0xa5, BLOCK);
		fallow_arena_free(arena, block);
	}
	return nbytes;
}

static void one_after_the_other(void *argument)
{
	enum fallow_backing backing = *(enum fallow_backing *)argument;
	struct fallow_arena *one = create(backing), *other = create(backing);

	for (int round = 0; round < 3; round++) {
		must_be_least(take_all(one), LIMIT / 10 * 8);
		must_be_least(take_all(other), LIMIT / 10 * 8);
	}
	fallow_arena_destroy(one);
	fallow_arena_destroy(other);
}

static void lives_through(void **state)
{
	static const struct place place = { .memory_cgroup = LIMIT };

	assert_lives(&place, one_after_the_other, *state);
}

int main(void)
{
	static enum fallow_backing anon = FALLOW_BACKING_ANON, memfd = FALLOW_BACKING_MEMFD;
	const struct CMUnitTest tests[] = {
		{ "ordinary memory", lives_through, NULL, NULL, &anon },
		{ "memfd", lives_through, NULL, NULL, &memfd },
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
