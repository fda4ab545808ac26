/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of 5 to 25 MiB, twenty alive, replaced at random, a page in each 4 KiB touched.
 */

#include "load.h"

enum { ALIVE = 20 };

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 150);
	void *blocks[ALIVE] = {0};
	uint64_t state = load_seed(0);

	for (long r = 0; r < rounds; r++) {
		unsigned slot = load_random(&state) % ALIVE;
		size_t size = load_between(&state, (size_t)5 << 20, (size_t)25 << 20);

		free(blocks[slot]);
		blocks[slot] = load_must(malloc(size));
		load_touch(blocks[slot], size);
	}
	for (int slot = 0; slot < ALIVE; slot++)
		free(blocks[slot]);
	load_report("large", rounds, state);
	return 0;
}
