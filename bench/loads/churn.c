/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steady churn at many sizes, 16 bytes to 64 KiB, over a live set that fits the cache's neighbourhood.
 */

#include "load.h"

enum { SLOTS = 2000 };

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 20000000);
	static unsigned char *blocks[SLOTS];
	static uint32_t sizes[SLOTS];
	uint64_t state = load_seed(0), check = 0;

	for (long r = 0; r < rounds; r++) {
		unsigned slot = load_random(&state) % SLOTS;

		if (blocks[slot]) {
			load_mark_check(blocks[slot], sizes[slot]);
			check += sizes[slot];
			free(blocks[slot]);
		}
		sizes[slot] = (uint32_t)load_size_skewed(&state, 65536);
		blocks[slot] = load_must(malloc(sizes[slot]));
		load_mark(blocks[slot], sizes[slot]);
	}
	for (int slot = 0; slot < SLOTS; slot++)
		free(blocks[slot]);
	load_report("churn", rounds, check);
	return 0;
}
