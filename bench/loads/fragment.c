/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A long life in which sizes shift: each epoch wants blocks a little larger than the last one freed.
 *
 * Slots hold blocks of mixed ages; an epoch replaces random slots with sizes of
 * its own. Holes left by old sizes rarely fit new ones, so what is resident
 * grows beyond what is alive in allocators that cannot reuse across sizes.
 */

#include "load.h"

enum { SLOTS = 40000, EPOCHS = 60 };

int main(int argc, char **argv)
{
	long replacements = load_scaled(argc, argv, 200000);
	static unsigned char *blocks[SLOTS];
	static size_t sizes[SLOTS];
	uint64_t state = load_seed(0);
	size_t live = 0;
	size_t most = 0;
	long at_end;

	for (int epoch = 0; epoch < EPOCHS; epoch++) {
		size_t centre = (size_t)32 << (epoch % 12 / 2);

		for (long r = 0; r < replacements; r++) {
			unsigned slot = load_random(&state) % SLOTS;

			if (blocks[slot]) {
				load_mark_check(blocks[slot], sizes[slot]);
				live -= sizes[slot];
				free(blocks[slot]);
				blocks[slot] = NULL;
				/* Half of the slots stay empty for a while. */
				if (load_random(&state) & 1)
					continue;
			}
			sizes[slot] = load_between(&state, centre / 2, centre + centre / 2);
			blocks[slot] = load_must(malloc(sizes[slot]));
			memset(blocks[slot], 0, sizes[slot] < 256 ? sizes[slot] : 256);
			load_mark(blocks[slot], sizes[slot]);
			live += sizes[slot];
			most = live > most ? live : most;
		}
	}
	at_end = load_resident_kib();
	for (unsigned slot = 0; slot < SLOTS; slot++)
		free(blocks[slot]);
	printf("fragment operations=%ld live_kib=%zu most_live_kib=%zu with_live_kib=%ld resident_kib=%ld\n",
		   EPOCHS * replacements, live / 1024, most / 1024, at_end, load_resident_kib());
	return 0;
}
