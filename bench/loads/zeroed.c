/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calloc everywhere: small records, tables of all sizes, now and then a large one that is used only in part.
 */

#include "load.h"

enum { SLOTS = 1000 };

static void zeroes_check(const unsigned char *block, size_t size)
{
	for (size_t at = 0; at < size; at += size / 16 + 1)
		load_check(block[at] == 0);
	load_check(block[size - 1] == 0);
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 4000000);
	static unsigned char *blocks[SLOTS];
	uint64_t state = load_seed(0);

	for (long r = 0; r < rounds; r++) {
		unsigned slot = load_random(&state) % SLOTS;
		size_t size = r % 1000 ? load_size_skewed(&state, 16384) : load_between(&state, 65536, 4 << 20);

		free(blocks[slot]);
		blocks[slot] = load_must(calloc(1, size));
		zeroes_check(blocks[slot], size < 32768 ? size : 32768);
		memset(blocks[slot], 0xff, size < 4096 ? size : 4096);
	}
	for (int slot = 0; slot < SLOTS; slot++)
		free(blocks[slot]);
	load_report("zeroed", rounds, state);
	return 0;
}
