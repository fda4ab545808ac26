/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program to be recorded.
 *
 *   recorded short N     N MiB, and it ends at once, with status 0
 *   recorded killed N    the same, ended by SIGKILL
 *   recorded refused S   an arena of 3 MiB is refused 100 MiB and gone a moment later; status S
 *   recorded storm N     N refusals as fast as can be
 *   recorded course MS   a rise to 32 MiB, a refusal at its top, and a fall, each of so many milliseconds
 *   recorded waits       says "ready" and waits for SIGTERM, with status 9, or for SIGINT, with status 8
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/cli/arena.h"

#define NSTEPS 32

static void must_refuse(struct fallow_arena *arena)
{
	if (fallow_arena_malloc(arena, 100 * MiB) != NULL)
		abort();
}

static void *touched(struct fallow_arena *arena, size_t nbytes)
{
	void *block = fallow_arena_malloc(arena, nbytes);

	if (block == NULL)
		abort();
	return memset(block, 1, nbytes);
}

static void be_refused(void)
{
	struct fallow_arena *arena = create("short </script> life", 8 * MiB);
	void *kept = touched(arena, 3 * MiB);

	must_refuse(arena);
	fallow_arena_free(arena, kept);
	fallow_arena_destroy(arena);
}

static void be_refused_often(int n)
{
	struct fallow_arena *arena = create("storm", MiB);

	while (n-- > 0)
		must_refuse(arena);
	fallow_arena_destroy(arena);
}

static void rise_and_fall(int milliseconds)
{
	struct fallow_arena *arena = create("course", 64 * MiB);
	void *blocks[NSTEPS];

	for (size_t i = 0; i < NSTEPS; i++, usleep((unsigned int)milliseconds * 1000 / NSTEPS))
		blocks[i] = touched(arena, MiB);
	must_refuse(arena);
	for (size_t i = 0; i < NSTEPS; i++, usleep((unsigned int)milliseconds * 1000 / NSTEPS))
		fallow_arena_free(arena, blocks[i]);
}

static void end_by(int number)
{
	_exit(number == SIGTERM ? 9 : 8);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 0;

	if (strcmp(mode, "short") == 0 || strcmp(mode, "killed") == 0) {
		touched(create("short", 0), (size_t)number * MiB);
		return strcmp(mode, "killed") == 0 ? raise(SIGKILL) : 0;
	}
	if (strcmp(mode, "refused") == 0) {
		be_refused();
		return number;
	}
	if (strcmp(mode, "storm") == 0) {
		be_refused_often(number);
		return 0;
	}
	if (strcmp(mode, "course") == 0) {
		rise_and_fall(number);
		return 0;
	}
	if (strcmp(mode, "waits") == 0) {
		signal(SIGTERM, end_by);
		signal(SIGINT, end_by);
		fallow_free(fallow_malloc(1));
		puts("ready");
		fflush(stdout);
		sleep(60);
	}
	return 2;
}
