/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that of two threads which populate different ranges of a map at the same time, each of them three of a pool of
 * four huge pages, one gets its pages and one is told no, each time: never both no, as each has taken two.
 */
#include "test/api/map-duel.h"
#include "test/lib/lives.h"

#define HUGE ((size_t)2 << 20)
#define NROUNDS 200

static void duels(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	(void)unused;
	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = HUGE;
	options.length = 16 * HUGE;
	struct fallow_map *map = map_create(&options);
	for (int round = 0; round < NROUNDS; round++) {
		map_duel(map, 8 * HUGE, 3 * HUGE);
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
