/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two threads that populate ranges of a map in the same moment.
 */
#ifndef TEST_API_MAP_DUEL_H
#define TEST_API_MAP_DUEL_H

#include <errno.h>
#include <pthread.h>

#include "test/api/map-kinds.h"

struct map_duellist {
	struct fallow_map *map;
	pthread_barrier_t *barrier;
	size_t offset, length;
	int result;
};

static inline void *map_duel_populate(void *argument)
{
	struct map_duellist *duellist = argument;

	pthread_barrier_wait(duellist->barrier);
	duellist->result = fallow_map_populate(duellist->map, duellist->offset, duellist->length, FALLOW_POPULATE_WRITE);
	return NULL;
}

/* Ranges of length at 0 and at second, of which one fits: one of the two is told no. */
static inline void map_duel(struct fallow_map *map, size_t second, size_t length)
{
	struct map_duellist duellists[2];
	pthread_t threads[2];
	pthread_barrier_t barrier;

	must_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	for (size_t i = 0; i < 2; i++) {
		duellists[i] = (struct map_duellist){ map, &barrier, i * second, length, 0 };
		must_equal(pthread_create(&threads[i], NULL, map_duel_populate, &duellists[i]), 0);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	must_equal(duellists[0].result + duellists[1].result, -ENOMEM);
	must_equal(map_populated(map), length);
}

#endif
