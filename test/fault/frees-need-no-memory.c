/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a free never needs memory: with every system call refused, blocks of all sizes are freed by the thread that
 * took them and by another one, and all of it is to be had again: with calls still refused where idle memory is kept, and
 * where it could not be given back at once, with none of it lost.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/base.h"
#include "os/os.h"
#include "test/lib/test.h"

#define NBLOCKS 4000

static const size_t sizes[] = { 16, 100, 1000, 5000, 30000, 100000, 700000 };

static struct fallow_arena *arena;
static void *blocks[NBLOCKS];
static size_t nrefused; /* atomic */

static int refuse(enum fl_os_call call, int detail)
{
	(void)call;
	(void)detail;
	__atomic_add_fetch(&nrefused, 1, __ATOMIC_RELAXED);
	return -ENOMEM;
}

static size_t populated(void)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	assert_int_equal(fallow_arena_stats(arena, &stat), 0);
	return stat.populated;
}

static void take_all(void)
{
	for (size_t i = 0; i < NBLOCKS; i++) {
		/* Few of the large ones. */
		size_t size = sizes[i % 100 == 0 ? i / 100 % FL_LENGTH(sizes) : i % 4];
		blocks[i] = fallow_arena_malloc(arena, size);
		assert_non_null(blocks[i]);
		memset(blocks[i], 1, size);
	}
}

static void *free_every_other(void *first)
{
	for (size_t i = *(const size_t *)first; i < NBLOCKS; i += 2)
		fallow_arena_free(arena, blocks[i]);
	return NULL;
}

static void all_calls_refused(void **state)
{
	static const size_t here = 0, there = 1;
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	pthread_t thread;

	options.decay_ms = *(const unsigned int *)*state;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	take_all();
	size_t before = populated();
	for (int round = 0; round < 3; round++) {
		fl_os_fault = refuse;
		free_every_other((void *)&here);
		assert_int_equal(pthread_create(&thread, NULL, free_every_other, (void *)&there), 0);
		pthread_join(thread, NULL);
		if (options.decay_ms != FALLOW_DECAY_NEVER)
			fl_os_fault = NULL;
		take_all();
		fl_os_fault = NULL;
	}
	assert_in_range(populated(), 0, before + before / 8);
	printf("%zu calls refused\n", nrefused);
	fallow_arena_destroy(arena);
}

int main(void)
{
	static unsigned int never = FALLOW_DECAY_NEVER, at_once = 0;
	const struct CMUnitTest tests[] = {
		{ "kept", all_calls_refused, NULL, NULL, &never },
		{ "given back at once", all_calls_refused, NULL, NULL, &at_once },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
