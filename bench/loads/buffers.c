/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large buffers of 64 KiB to 32 MiB, as images, blocks of a database and messages want them.
 *
 * Sixteen are alive; each is written once when it comes. Smaller ones are as
 * much more frequent as they are smaller.
 */

#include "load.h"

enum { ALIVE = 16 };

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 40000);
	unsigned char *buffers[ALIVE] = {0};
	uint64_t state = load_seed(0), check = 0;

	for (long r = 0; r < rounds; r++) {
		unsigned slot = load_random(&state) % ALIVE;
		size_t size = (size_t)64 << 10;

		while (size < (size_t)32 << 20 && load_random(&state) & 1)
			size *= 2;
		size -= load_random(&state) % (size / 2);
		free(buffers[slot]);
		buffers[slot] = load_must(malloc(size));
		memset(buffers[slot], (int)r, size);
		check += buffers[slot][size / 2];
	}
	for (int slot = 0; slot < ALIVE; slot++)
		free(buffers[slot]);
	load_report("buffers", rounds, check);
	return 0;
}
