/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that threads which populate and discard ranges of one map at random, overlapping or not, never see a page of
 * theirs come and go under them, that the limit is never exceeded, that what is counted in the end is what the last
 * calls left, and that of two that cannot both have what they ask for one gets it, each time.
 */
#include <errno.h>
#include <pthread.h>

#include "test/api/map-duel.h"

#define NPAGES 512
#define NTHREADS 4
#define NROUNDS 400
#define NDUELS 300

static size_t page;

struct worker {
	pthread_t thread;
	struct fallow_map *map;
	size_t own;   /* a page that nobody else touches */
	uint64_t random;
	bool broken;
	bool over;
};

static uint64_t next(uint64_t *state)
{
	return *state = *state * 6364136223846793005u + 1442695040888963407u;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	volatile char *own = (char *)fallow_map_base(worker->map) + worker->own * page;

	*own = 'o';
	for (int i = 0; i < NROUNDS; i++) {
		/* The first pages are the workers' own; others populate over them and never discard them. */
		size_t first = next(&worker->random) >> 33 & (NPAGES - 1), end = first + 1 + (next(&worker->random) >> 33) % 64;

		end = end < NPAGES ? end : NPAGES;
		if (i & 1)
			fallow_map_populate(worker->map, first * page, (end - first) * page, FALLOW_POPULATE_WRITE);
		else if (first >= NTHREADS)
			fallow_map_discard(worker->map, first * page, (end - first) * page);
		if (*own != 'o')
			worker->broken = true;
		if (map_populated(worker->map) > 256 * page)
			worker->over = true;
	}
	return NULL;
}

static void random_work(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, NPAGES * page);
	options.guard = guard;
	options.limit = 256 * page;
	struct fallow_map *map = map_create(&options);
	struct worker workers[NTHREADS];
	uint64_t bits[NPAGES / 64];
	size_t npopulated = 0;

	/* Before others reach the limit. */
	assert_int_equal(fallow_map_populate(map, 0, NTHREADS * page, FALLOW_POPULATE_WRITE), 0);
	for (size_t i = 0; i < NTHREADS; i++) {
		workers[i] = (struct worker){ .map = map, .own = i, .random = i + 1 };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < NTHREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_false(workers[i].broken);
		assert_false(workers[i].over);
	}
	assert_int_equal(fallow_map_bitmap(map, 0, NPAGES * page, FALLOW_PAGE_POPULATED, bits), 0);
	for (size_t i = 0; i < NPAGES / 64; i++)
		npopulated += (size_t)__builtin_popcountll(bits[i]);
	/* Faults of a file's pages map their neighbours too. */
	if (options.fd < 0)
		assert_int_equal(npopulated * page, map_populated(map));
	assert_int_equal(fallow_map_discard(map, 0, NPAGES * page), 0);
	assert_int_equal(map_populated(map), 0);
	map_end(map, &options);
}

static void every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		random_work(&map_kinds[i], FALLOW_GUARD_NONE);
		random_work(&map_kinds[i], FALLOW_GUARD_TRAP);
	}
}

/* Each fits alone, both do not: overlapping or apart, one succeeds and one says no. */
static void one_of_two_wins(void **state)
{
	struct fallow_map_options options = map_options(&map_kinds[0], NPAGES * page);
	options.limit = 80 * page;
	struct fallow_map *map = map_create(&options);

	(void)state;
	for (size_t round = 0; round < NDUELS; round++) {
		map_duel(map, (round & 1 ? 32 : 64) * page, 64 * page);
		assert_int_equal(fallow_map_discard(map, 0, NPAGES * page), 0);
	}
	map_end(map, &options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(one_of_two_wins),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
