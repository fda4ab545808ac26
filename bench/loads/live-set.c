/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random replacement over a big live set: half a million blocks, so that every access misses the cache.
 *
 * The second argument is the number of threads; they share nothing but the allocator.
 */

#include "threads.h"

enum { SLOTS = 1 << 19 };

static long rounds_each;
static unsigned slots_each;

static void *set_run(void *argument)
{
	uint64_t state = load_seed(*(unsigned *)argument);
	unsigned char **blocks = load_must(calloc(slots_each, sizeof *blocks));
	uint16_t *sizes = load_must(calloc(slots_each, sizeof *sizes));

	for (long r = 0; r < rounds_each; r++) {
		unsigned slot = load_random(&state) % slots_each;

		if (blocks[slot]) {
			load_mark_check(blocks[slot], sizes[slot]);
			free(blocks[slot]);
		}
		sizes[slot] = (uint16_t)load_size_skewed(&state, 1000);
		blocks[slot] = load_must(malloc(sizes[slot]));
		load_mark(blocks[slot], sizes[slot]);
	}
	for (unsigned slot = 0; slot < slots_each; slot++)
		free(blocks[slot]);
	free(blocks);
	free(sizes);
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 5000000);
	unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	unsigned selves[64];

	if (threads < 1 || threads > 64)
		return 2;
	rounds_each = rounds / threads;
	slots_each = SLOTS / threads;
	for (unsigned i = 0; i < threads; i++)
		selves[i] = i;
	threads_run(threads, set_run, selves, sizeof selves[0]);
	load_report("live-set", rounds, slots_each);
	return 0;
}
