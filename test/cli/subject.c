/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program to be looked at from outside. It says "ready" and what it has, and ends when its standard input does.
 *
 *   subject still   an arena of known contents and a map that is all but hole, where nothing happens
 *   subject small   the arena alone: a core dump of the map would be as long as its address space
 *   subject hidden  the same in a process such as those of privileged programs are
 *   subject churn   two threads that allocate, free, fail, and make and destroy arenas and maps as fast as they can
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test/cli/arena.h"

#define NBLOCKS 256

/* A map that is hole but for length bytes in its middle. */
static struct fallow_map *create_map(const char *name, size_t whole, size_t length)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map;

	options.name = name;
	options.length = whole;
	if (fallow_map_create(&options, &map) != 0 ||
	    fallow_map_populate(map, whole / 2, length, FALLOW_POPULATE_WRITE) != 0)
		abort();
	return map;
}

/* Small blocks, of which one is free, a large one, a refusal, and room that a large one has left after it. */
static void fill_arena(void)
{
	struct fallow_arena *arena = create("still <life>", 8 * MiB);
	char *small[1000];

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		small[i] = fallow_arena_malloc(arena, 200);
	char *large = fallow_arena_malloc(arena, 3 * MiB), *idle = fallow_arena_malloc(arena, MiB);
	if (fallow_arena_malloc(arena, 100 * MiB) != NULL)
		abort();
	fallow_arena_free(arena, idle);
	fallow_arena_free(arena, small[500]);
	printf("ready live=%p free=%p large=%p idle=%p\n", (void *)small[501], (void *)small[500], (void *)large,
	       (void *)idle);
}

static void *churn(void *argument)
{
	void *blocks[NBLOCKS] = { NULL };
	unsigned int seed = *(unsigned int *)argument;

	for (unsigned int round = 0;; round++) {
		unsigned int i = (unsigned int)rand_r(&seed) % NBLOCKS;
		fallow_free(blocks[i]);
		blocks[i] = fallow_malloc((size_t)rand_r(&seed) % (round % 64 == 0 ? MiB : 4096));
		if (round % 256 != 0)
			continue;
		struct fallow_arena *arena = create("passing", MiB);
		if (fallow_arena_malloc(arena, 1000) == NULL || fallow_arena_malloc(arena, 3 * MiB) != NULL)
			abort();
		fallow_arena_destroy(arena);
		fallow_map_destroy(create_map("passing", MiB, MiB / 16));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static unsigned int seeds[] = { 1, 2 };
	pthread_t thread;
	char byte;

	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "still") == 0)
		create_map("hollow", (size_t)1 << 44, 2 * MiB);
	if (strcmp(argv[1], "hidden") == 0)
		prctl(PR_SET_DUMPABLE, 0);
	if (strcmp(argv[1], "churn") != 0)
		fill_arena();
	for (size_t i = 0; strcmp(argv[1], "churn") == 0 && i < 2; i++)
		if (pthread_create(&thread, NULL, churn, &seeds[i]) != 0)
			return 1;
	if (strcmp(argv[1], "churn") == 0)
		puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
