/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vectors that grow: several at once, element by element, by realloc, from bytes to tens of MiB.
 */

#include "load.h"

enum { VECTORS = 8 };

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 12);
	uint64_t state = load_seed(0), check = 0;

	for (long r = 0; r < rounds; r++) {
		uint32_t *vectors[VECTORS] = {0};
		size_t counts[VECTORS] = {0}, rooms[VECTORS] = {0};

		for (uint32_t i = 0; i < 8000000; i++) {
			unsigned v = load_random(&state) % VECTORS;

			if (v < 4 && i % 4)
				v = 0;
			if (counts[v] == rooms[v]) {
				/* Growth by a half, as many containers do, shows whether realloc can stay in place. */
				rooms[v] += rooms[v] / 2 + 4;
				vectors[v] = load_must(realloc(vectors[v], rooms[v] * sizeof *vectors[v]));
			}
			vectors[v][counts[v]++] = i;
		}
		for (int v = 0; v < VECTORS; v++) {
			check += vectors[v][counts[v] / 2];
			free(vectors[v]);
		}
	}
	load_report("growth", rounds, check);
	return 0;
}
