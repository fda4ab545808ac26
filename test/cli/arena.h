/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas that programs to be looked at have: what is in them stays where it is and as it is.
 */
#ifndef FL_TEST_CLI_ARENA_H
#define FL_TEST_CLI_ARENA_H

#include <stdlib.h>

#include <fallow/fallow.h>

#define MiB ((size_t)1 << 20)

static struct fallow_arena *create(const char *name, size_t limit)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.name = name;
	options.limit = limit;
	options.decay_ms = FALLOW_DECAY_NEVER;
	options.thp = FALLOW_THP_NEVER;
	if (fallow_arena_create(&options, &arena) != 0)
		abort();
	return arena;
}

#endif
