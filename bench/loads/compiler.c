/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A compiler's phases: declarations that stay, trees and graphs for a function, then all of them gone at once.
 *
 * Each function parses into small nodes, makes passes that hold bit maps and
 * growing worklists, appends to an output that only grows, and frees its nodes
 * chunk by chunk. Every few functions leave declarations behind.
 */

#include "load.h"

enum { CHUNK = 64 << 10, DECLARATIONS = 300 };

struct chunk {
	struct chunk *next;
	size_t used;
	unsigned char bytes[CHUNK - 32];
};

static struct chunk *chunks;

/* Nodes come out of chunks, as obstacks give them. */
static void *node_take(size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if (!chunks || chunks->used + size > sizeof chunks->bytes) {
		struct chunk *chunk = load_must(malloc(sizeof *chunk));

		chunk->next = chunks;
		chunk->used = 0;
		chunks = chunk;
	}
	chunks->used += size;
	return memset(chunks->bytes + chunks->used - size, 0, size);
}

static void nodes_free(void)
{
	while (chunks) {
		struct chunk *next = chunks->next;

		free(chunks);
		chunks = next;
	}
}

/* A pass over n nodes: a bit map, a worklist that grows, edges as blocks of their own. */
static uint64_t pass_run(uint64_t *state, size_t n)
{
	unsigned char *seen = load_must(calloc(1, n / 8 + 1));
	uint32_t *work = NULL;
	size_t count = 0, room = 0;
	void **edges = load_must(malloc(n * sizeof *edges));

	for (size_t i = 0; i < n; i++) {
		edges[i] = load_must(malloc(load_between(state, 24, 88)));
		*(size_t *)edges[i] = i;
		if (count == room) {
			room = room ? room * 2 : 16;
			work = load_must(realloc(work, room * sizeof *work));
		}
		work[count++] = (uint32_t)(load_random(state) % n);
		seen[work[count - 1] / 8] |= (unsigned char)(1 << work[count - 1] % 8);
	}
	uint64_t check = seen[0] + work[count / 2];
	for (size_t i = 0; i < n; i++)
		free(edges[i]);
	free(edges);
	free(work);
	free(seen);
	return check;
}

int main(int argc, char **argv)
{
	long functions = load_scaled(argc, argv, 10000);
	uint64_t state = load_seed(0), check = 0;
	void **declarations = NULL;
	size_t declared = 0;
	char *output = NULL;
	size_t written = 0, room = 0;

	for (long f = 0; f < functions; f++) {
		size_t n = load_size_skewed(&state, 20000) + 100;

		for (size_t i = 0; i < n; i++)
			node_take(load_between(&state, 32, 160));
		for (int pass = 0; pass < 6; pass++)
			check += pass_run(&state, n);
		nodes_free();
		if (written + n > room) {
			room = (written + n) * 2;
			output = load_must(realloc(output, room));
		}
		memset(output + written, (int)f, n);
		written += n;
		if (f % 32 == 0) {
			declarations = load_must(realloc(declarations, (declared + DECLARATIONS) * sizeof *declarations));
			for (int i = 0; i < DECLARATIONS; i++)
				declarations[declared++] = load_must(calloc(1, load_between(&state, 16, 200)));
		}
	}
	for (size_t i = 0; i < declared; i++)
		free(declarations[i]);
	free(declarations);
	free(output);
	load_report("compiler", functions, check);
	return 0;
}
