/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves on every backing that freed memory goes back to the pool, the filesystem or the system when the decay time is
 * over while the program only sleeps, at once with a decay of 0, and not before fallow_arena_trim() with
 * FALLOW_DECAY_NEVER; and that it reads as zero when calloc hands it out, before it was given back and after.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/kernel/backings.h"
#include "test/lib/lives.h"

#define MiB (1LL << 20)

#define DECAY_MS 500
/* For a busy machine: how much later than the decay time memory may go. */
#define LATE_MS 1000
/* Idle time may be counted in steps, from when something else was freed. */
#define EARLIEST_MS (DECAY_MS / 3)

#define NBLOCKS 180
/* What the blocks take of a backing, at least. */
#define TAKEN (6 * MiB)

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static size_t size_of(int i)
{
	static const size_t sizes[] = { 48, 2000, 16 << 10, 40 << 10, 120 << 10 };

	return sizes[i % 5];
}

/* Some 6.2 MiB in blocks of five sizes, all zero at first and all written in the end. */
static void take(struct fallow_arena *arena, unsigned char **blocks)
{
	for (int i = 0; i < NBLOCKS; i++) {
		size_t size = size_of(i);

		blocks[i] = fallow_arena_calloc(arena, 1, size);
		must(blocks[i] != NULL);
		must(blocks[i][0] == 0 && memcmp(blocks[i], blocks[i] + 1, size - 1) == 0);
		memset(blocks[i], 0xd0 + i % 16, size);
	}
}

static void put(struct fallow_arena *arena, unsigned char **blocks)
{
	for (int i = 0; i < NBLOCKS; i++)
		fallow_arena_free(arena, blocks[i]);
}

static struct fallow_arena *create(const struct backing *backing, unsigned int decay_ms)
{
	struct fallow_arena_options options = backing_options(backing);
	struct fallow_arena *arena = NULL;

	options.decay_ms = decay_ms;
	must_equal(fallow_arena_create(&options, &arena), 0);
	if (options.fd >= 0)
		close(options.fd);
	return arena;
}

/* An arena in which every path has been walked once: what it keeps for itself is there. */
static struct fallow_arena *create_warm(const struct backing *backing, unsigned int decay_ms, long long *there)
{
	struct fallow_arena *arena = create(backing, decay_ms);
	unsigned char *blocks[NBLOCKS];

	take(arena, blocks);
	put(arena, blocks);
	must_equal(fallow_arena_trim(arena, NULL), 0);
	*there = backing->there(backing) - backing->slack;
	return arena;
}

static void sleep_until_back(void *argument)
{
	const struct backing *backing = argument;
	unsigned char *blocks[NBLOCKS];
	struct fallow_arena *arena;
	long long there;
	long start, took;

	arena = create_warm(backing, DECAY_MS, &there);
	for (int again = 0; again < 2; again++) {
		take(arena, blocks);
		must_be_most(backing->there(backing), there - TAKEN);
		put(arena, blocks);
		start = now_ms();
		while (backing->there(backing) < there && now_ms() - start < DECAY_MS + LATE_MS)
			sleep_ms(10);
		took = now_ms() - start;
		printf("%s: back after %ld ms\n", backing->name, took);
		must_be_least(backing->there(backing), there);
		must_be_least(took, EARLIEST_MS); /* it was kept warm */
	}
	fallow_arena_destroy(arena);
}

static void go_at_once(void *argument)
{
	const struct backing *backing = argument;
	unsigned char *blocks[NBLOCKS];
	struct fallow_arena *arena;
	long long there;

	arena = create_warm(backing, 0, &there);
	take(arena, blocks);
	must_be_most(backing->there(backing), there - TAKEN);
	put(arena, blocks);
	/* A thread may keep a few small blocks at hand: those of the two smallest sizes. */
	must_be_least(backing->there(backing), there - TAKEN / 2);
	take(arena, blocks);
	fallow_arena_destroy(arena);
}

static void stay_for_trim(void *argument)
{
	const struct backing *backing = argument;
	unsigned char *blocks[NBLOCKS];
	struct fallow_arena *arena;
	size_t released = 0;
	long long there;

	arena = create_warm(backing, FALLOW_DECAY_NEVER, &there);
	take(arena, blocks);
	put(arena, blocks);
	sleep_ms(DECAY_MS + LATE_MS);
	must_be_most(backing->there(backing), there - TAKEN);
	take(arena, blocks); /* dirty memory must be zero all the same */
	put(arena, blocks);
	must_equal(fallow_arena_trim(arena, &released), 0);
	must_be_least(released, TAKEN);
	must_be_least(backing->there(backing), there);
	must_equal(fallow_arena_trim(arena, &released), 0);
	must_equal(released, 0);
	fallow_arena_destroy(arena);
}

static void within_the_decay_time(void **state)
{
	assert_lives(&((const struct backing *)*state)->place, sleep_until_back, *state);
}

static void at_once(void **state)
{
	assert_lives(&((const struct backing *)*state)->place, go_at_once, *state);
}

static void never_before_trim(void **state)
{
	assert_lives(&((const struct backing *)*state)->place, stay_for_trim, *state);
}

int main(void)
{
	static void (*const tests[])(void **) = { within_the_decay_time, at_once, never_before_trim };
	static const char *const names[] = { "within the decay time", "at once", "never before trim" };
	struct backing all[NFINITE + NENDLESS];
	int status = 0;

	memcpy(all, finite_backings, sizeof(finite_backings));
	memcpy(all + NFINITE, endless_backings, sizeof(endless_backings));
	for (int i = 0; i < 3; i++) {
		int one = backings_main(names[i], all, NFINITE + NENDLESS, tests[i]);

		if (status == 0 || one == 1)
			status = one;
	}
	return status;
}
