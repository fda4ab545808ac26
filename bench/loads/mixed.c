/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mixed sizes in waves: a wave is freed in order, backwards, or every other block now and the rest a wave later.
 *
 * With a thread count as second argument each thread does this and passes
 * the halves that it keeps to the next thread, which frees them.
 */

#include <stdatomic.h>

#include "threads.h"

enum { WAVE = 4000, MOST_THREADS = 16 };

struct wave {
	unsigned char *blocks[WAVE];
};

static _Atomic(struct wave *) passed[MOST_THREADS];
static long waves_each;
static unsigned thread_count;

static void wave_free(struct wave *wave, int backwards)
{
	for (int i = 0; i < WAVE; i++)
		free(wave->blocks[backwards ? WAVE - 1 - i : i]);
	free(wave);
}

static void *waves_run(void *argument)
{
	unsigned self = *(unsigned *)argument;
	uint64_t state = load_seed(self);

	for (long w = 0; w < waves_each; w++) {
		struct wave *wave = load_must(malloc(sizeof *wave));

		for (int i = 0; i < WAVE; i++) {
			size_t size = i % 16 ? load_between(&state, 1, 200) : load_between(&state, 200, 1000);

			wave->blocks[i] = load_must(malloc(size));
			wave->blocks[i][0] = (unsigned char)i;
		}
		for (int i = 0; i < WAVE; i++)
			load_check(wave->blocks[i][0] == (unsigned char)i);
		if (w % 3 == 2) {
			for (int i = 0; i < WAVE; i += 2) {
				free(wave->blocks[i]);
				wave->blocks[i] = NULL;
			}
			wave = atomic_exchange(&passed[(self + 1) % thread_count], wave);
			if (!wave)
				continue;
		}
		wave_free(wave, w % 3 == 1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned selves[MOST_THREADS];

	waves_each = load_scaled(argc, argv, 3000);
	thread_count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	if (thread_count < 1 || thread_count > MOST_THREADS)
		return 2;
	waves_each = waves_each / thread_count + 1;
	for (unsigned i = 0; i < thread_count; i++)
		selves[i] = i;
	threads_run(thread_count, waves_run, selves, sizeof selves[0]);
	for (unsigned i = 0; i < thread_count; i++)
		if (passed[i])
			wave_free(passed[i], 0);
	load_report("mixed", waves_each * thread_count * WAVE, 0);
	return 0;
}
