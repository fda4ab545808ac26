/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that come and go with mixed sizes and leave some of their objects in a shared hall, where others pick them up.
 */

#include <stdatomic.h>

#include "threads.h"

enum { VISITORS = 8, HALL = 1000, OBJECTS = 2000 };

static _Atomic(uint32_t *) hall[HALL];

struct visit {
	uint64_t state;
	long steps;
};

/* Arrays of words; one in a thousand is a large one. */
static uint32_t *object_make(uint64_t *state)
{
	uint32_t words = (uint32_t)load_size_skewed(state, load_random(state) % 1000 ? 1024 : 100000);
	uint32_t *object = load_must(malloc((words + 1) * sizeof *object));

	for (uint32_t i = 0; i <= words; i++)
		object[i] = words;
	return object;
}

static void object_free(uint32_t *object)
{
	if (!object)
		return;
	load_check(object[object[0]] == object[0]);
	free(object);
}

static void *visit_run(void *argument)
{
	struct visit *visit = argument;
	uint32_t **mine = load_must(calloc(OBJECTS, sizeof *mine));

	for (long s = 0; s < visit->steps; s++) {
		unsigned at = load_random(&visit->state) % OBJECTS;

		if (load_random(&visit->state) % 4)
			at %= 64;
		object_free(mine[at]);
		mine[at] = object_make(&visit->state);
		if (load_random(&visit->state) % 8 == 0)
			mine[at] = atomic_exchange(&hall[load_random(&visit->state) % HALL], mine[at]);
	}
	for (int i = 0; i < OBJECTS; i++)
		object_free(mine[i]);
	free(mine);
	return NULL;
}

int main(int argc, char **argv)
{
	long rounds = load_scaled(argc, argv, 120);
	struct visit visits[VISITORS];

	for (unsigned v = 0; v < VISITORS; v++)
		visits[v] = (struct visit){load_seed(v), 6000};
	for (long r = 0; r < rounds; r++) {
		threads_run(VISITORS, visit_run, visits, sizeof visits[0]);
		/* Now and then the hall is cleared. */
		for (int i = 0; r % 10 == 9 && i < HALL; i++)
			object_free(atomic_exchange(&hall[i], NULL));
	}
	for (int i = 0; i < HALL; i++)
		object_free(atomic_exchange(&hall[i], NULL));
	load_report("visitors", rounds * VISITORS * 6000, 0);
	return 0;
}
