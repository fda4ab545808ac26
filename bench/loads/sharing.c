/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * False sharing: threads write to small blocks that the allocator may have put on one cache line.
 *
 * active (default): each thread allocates, writes many times, frees, again.
 * passive (second argument): main allocates the first blocks of all threads side
 * by side and hands them out; a thread frees its own and goes on as above. An
 * allocator that gives the freed neighbour back to that thread keeps them on
 * one line for good.
 */

#include "threads.h"

enum { THREADS = 4, WRITES = 2000, SIZE = 8 };

struct task {
	unsigned char *first;
	long rounds;
};

static void block_write(volatile unsigned char *block)
{
	for (int w = 0; w < WRITES; w++)
		block[w % SIZE]++;
}

static void *task_run(void *argument)
{
	struct task *task = argument;

	if (task->first) {
		block_write(task->first);
		free(task->first);
	}
	for (long r = 0; r < task->rounds; r++) {
		unsigned char *block = load_must(malloc(SIZE));

		memset(block, 0, SIZE);
		block_write(block);
		free(block);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 300000);
	int passive = argc > 2 && !strcmp(argv[2], "passive");
	struct task tasks[THREADS];

	for (int i = 0; i < THREADS; i++) {
		tasks[i].rounds = rounds;
		tasks[i].first = passive ? load_must(calloc(1, SIZE)) : NULL;
	}
	threads_run(THREADS, task_run, tasks, sizeof tasks[0]);
	load_report("sharing", THREADS * rounds, 0);
	return 0;
}
