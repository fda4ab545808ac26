/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Aligned blocks: cache lines, vectors, pages, among ordinary ones.
 */

#include "load.h"

enum { SLOTS = 4000 };

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 8000000);
	static void *blocks[SLOTS];
	uint64_t state = load_seed(0);

	for (long r = 0; r < rounds; r++) {
		unsigned slot = load_random(&state) % SLOTS;
		size_t size = load_size_skewed(&state, 8192);
		/* 32 to 128 bytes mostly, a page now and then. */
		size_t alignment = r % 64 ? (size_t)32 << r % 3 : 4096;

		free(blocks[slot]);
		if (r % 4 == 0)
			blocks[slot] = load_must(malloc(size));
		else if (posix_memalign(&blocks[slot], alignment, size))
			load_must(NULL);
		else
			load_check((uintptr_t)blocks[slot] % alignment == 0);
		load_mark(blocks[slot], size);
	}
	for (int slot = 0; slot < SLOTS; slot++)
		free(blocks[slot]);
	load_report("aligned", rounds, state);
	return 0;
}
