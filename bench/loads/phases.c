/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A peak, then low use, several times; at the end, how much of the peak stays resident.
 *
 * The peak is made of sessions, runs of blocks of mixed sizes; one session in
 * forty survives it. After the last peak the program rests for twice the usual
 * decay time, calls nothing, and reports. The second argument is the peak in MiB.
 */

#include <time.h>

#include "load.h"

enum { SURVIVE_ONE_IN = 40, SESSION = 500, REST_MS = 2000 };

struct block {
	struct block *next;
	size_t size;
};

static struct block *peak_build(uint64_t *state, struct block *head, size_t peak)
{
	for (size_t total = 0; total < peak;) {
		size_t size = load_random(state) % 64 ? load_size_skewed(state, 8192) : load_between(state, 8192, 400000);
		struct block *block = load_must(malloc(sizeof *block + size));

		load_touch(block, sizeof *block + size);
		block->size = size;
		block->next = head;
		head = block;
		total += size;
	}
	return head;
}

/* Frees all but a few sessions; returns those. */
static struct block *peak_fall(uint64_t *state, struct block *head, size_t *live)
{
	struct block *kept = NULL;
	long place = 0;
	int survives = 0;

	*live = 0;
	while (head) {
		struct block *next = head->next;

		if (place++ % SESSION == 0)
			survives = load_random(state) % SURVIVE_ONE_IN == 0;
		if (!survives)
			free(head);
		else {
			head->next = kept;
			kept = head;
			*live += sizeof *head + head->size;
		}
		head = next;
	}
	return kept;
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 12);
	size_t peak = (argc > 2 ? strtoul(argv[2], NULL, 10) : 256) << 20;
	struct timespec rest = {REST_MS / 1000, REST_MS % 1000 * 1000000L};
	uint64_t state = load_seed(0);
	struct block *head = NULL;
	size_t live = 0;
	long at_once;

	for (long r = 0; r < rounds; r++)
		head = peak_fall(&state, peak_build(&state, head, peak), &live);
	at_once = load_resident_kib();
	nanosleep(&rest, NULL);
	printf("phases operations=%ld live_kib=%zu at_once_kib=%ld rested_ms=%d resident_kib=%ld\n", rounds, live / 1024,
		   at_once, REST_MS, load_resident_kib());
	return 0;
}
