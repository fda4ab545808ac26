/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that of two threads which populate different ranges of a map at the same time, each of them three of a pool of
 * four huge pages, one gets its pages and one is told no, each time: never both no, as each has taken two.
 */
#include <errno.h>
#include <pthread.h>

#include "test/api/map-kinds.h"
#include "test/lib/lives.h"

#define HUGE ((size_t)2 << 20)
#define NROUNDS 200

struct duellist {
	pthread_t thread;
	struct fallow_map *map;
	pthread_barrier_t *barrier;
	size_t offset;
	int result;
};

static void *duel(void *argument)
{
	struct duellist *duellist = argument;

	pthread_barrier_wait(duellist->barrier);
	duellist->result = fallow_map_populate(duellist->map, duellist->offset, 3 * HUGE, FALLOW_POPULATE_WRITE);
	return NULL;
}

static void duels(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct duellist duellists[2];
	pthread_barrier_t barrier;

	(void)unused;
	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = HUGE;
	options.length = 16 * HUGE;
	struct fallow_map *map = map_create(&options);
	must_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	for (int round = 0; round < NROUNDS; round++) {
		for (size_t i = 0; i < 2; i++) {
			duellists[i] = (struct duellist){ .map = map, .barrier = &barrier, .offset = i * 8 * HUGE };
			must_equal(pthread_create(&duellists[i].thread, NULL, duel, &duellists[i]), 0);
		}
		for (size_t i = 0; i < 2; i++)
			pthread_join(duellists[i].thread, NULL);
		must_equal(duellists[0].result + duellists[1].result, -ENOMEM);
		must_equal(map_populated(map), 3 * HUGE);
		must_equal(place_free_2m(), HUGE);
		must_equal(fallow_map_discard(map, 0, 16 * HUGE), 0);
	}
	fallow_map_destroy(map);
}

static void one_of_two_wins(void **state)
{
	struct place place = { .huge_2m = 4 };

	(void)state;
	assert_lives(&place, duels, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(one_of_two_wins) };

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
