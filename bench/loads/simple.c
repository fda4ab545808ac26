/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plainest loop: blocks of one size at a time, a few kept in a line, first in first out, then last in first out.
 *
 * The second argument is the number of threads that do this side by side.
 */

#include "threads.h"

enum { LINE = 400 };

static long rounds_each;

static void *simple_run(void *argument)
{
	uint64_t state = load_seed(*(unsigned *)argument);
	unsigned char *line[LINE];

	for (long r = 0; r < rounds_each; r++) {
		size_t size = load_size_skewed(&state, 512);

		for (int i = 0; i < LINE; i++) {
			line[i] = load_must(malloc(size));
			line[i][0] = 1;
		}
		for (int i = 0; i < LINE; i++) {
			free(line[i]);
			line[i] = load_must(malloc(size));
			line[i][0] = 2;
		}
		for (int i = LINE; i-- > 0;)
			free(line[i]);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 60000);
	unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
	unsigned selves[64];

	if (threads < 1 || threads > 64)
		return 2;
	rounds_each = rounds / threads + 1;
	for (unsigned i = 0; i < threads; i++)
		selves[i] = i;
	threads_run(threads, simple_run, selves, sizeof selves[0]);
	load_report("simple", rounds * 2 * LINE, 0);
	return 0;
}
