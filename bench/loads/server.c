/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server threads whose objects outlive them: random lifetimes, freed by whoever comes next.
 *
 * Each worker owns a table of live objects and replaces random ones. After a
 * while it passes the table to a new thread and ends, as connections do, so
 * most objects are freed by a thread that did not allocate them.
 */

#include "threads.h"

enum { WORKERS = 4, SLOTS = 4000, REPLACEMENTS = 20000 };

struct worker {
	unsigned char *objects[SLOTS];
	size_t sizes[SLOTS];
	uint64_t state;
	long generations;
	pthread_t successor;
};

static void object_replace(struct worker *worker, unsigned slot)
{
	if (worker->objects[slot]) {
		load_mark_check(worker->objects[slot], worker->sizes[slot]);
		free(worker->objects[slot]);
	}
	worker->sizes[slot] = load_size_skewed(&worker->state, 2048);
	worker->objects[slot] = load_must(malloc(worker->sizes[slot]));
	load_mark(worker->objects[slot], worker->sizes[slot]);
}

/* One generation; the last one leaves the table to main. */
static void *worker_run(void *argument)
{
	struct worker *worker = argument;

	for (int i = 0; i < REPLACEMENTS; i++)
		object_replace(worker, load_random(&worker->state) % SLOTS);
	worker->generations--;
	return NULL;
}

static void *connection_run(void *argument)
{
	struct worker *worker = argument;

	while (worker->generations > 0) {
		threads_start(&worker->successor, worker_run, worker);
		pthread_join(worker->successor, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long generations = load_scaled(argc, argv, 300);
	static struct worker workers[WORKERS];
	uint64_t check = 0;

	for (unsigned w = 0; w < WORKERS; w++) {
		workers[w].state = load_seed(w);
		workers[w].generations = generations;
		for (unsigned slot = 0; slot < SLOTS; slot++)
			object_replace(&workers[w], slot);
	}
	threads_run(WORKERS, connection_run, workers, sizeof workers[0]);
	for (unsigned w = 0; w < WORKERS; w++) {
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			check += workers[w].sizes[slot];
			free(workers[w].objects[slot]);
		}
	}
	load_report("server", WORKERS * generations * REPLACEMENTS, check);
	return 0;
}
