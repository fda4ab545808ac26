/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads that live for a moment: start, a few hundred blocks, end.
 *
 * What a thread costs an allocator at birth and death shows here, and whether
 * what it leaves is used by those that follow.
 */

#include "threads.h"

enum { TOGETHER = 4, BLOCKS = 200, LEFT = 10 };

struct task {
	uint64_t state;
	void *left[LEFT];
};

static void *task_run(void *argument)
{
	struct task *task = argument;
	void *blocks[BLOCKS];
	size_t sizes[BLOCKS];

	for (unsigned i = 0; i < LEFT; i++) {
		free(task->left[i]);
		task->left[i] = load_must(malloc(load_between(&task->state, 16, 256)));
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		sizes[i] = load_size_skewed(&task->state, 4096);
		blocks[i] = load_must(malloc(sizes[i]));
		load_mark(blocks[i], sizes[i]);
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		load_mark_check(blocks[i], sizes[i]);
		free(blocks[i]);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 8000);
	struct task tasks[TOGETHER];

	memset(tasks, 0, sizeof tasks);
	for (unsigned i = 0; i < TOGETHER; i++)
		tasks[i].state = load_seed(i);
	for (long r = 0; r < rounds; r++)
		threads_run(TOGETHER, task_run, tasks, sizeof tasks[0]);
	for (unsigned i = 0; i < TOGETHER; i++)
		for (unsigned j = 0; j < LEFT; j++)
			free(tasks[i].left[j]);
	load_report("short-threads", TOGETHER * rounds * BLOCKS, tasks[0].state);
	return 0;
}
