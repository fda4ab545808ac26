/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for anonymous, memfd and hugetlbfs pools that a held pool takes its pages at once and keeps them while arenas
 * come and go, that an on-demand pool takes them when an arena needs them and gives them back when idle, that several
 * arenas share one pool and its limit, that a pool can be resized and destroyed only as far as it is not in use, and
 * that its statistics tell all this.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <fallow/arena.h>
#include <fallow/pool.h>
#include <fallow/stats.h>

#include "test/api/pattern.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define PAGE (2 * MiB)
#define SYSTEM_PAGES 16
#define DECAY_MS 300
#define LATE_MS 2000

enum origin { ANONYMOUS, MEMFD, MOUNT };

static struct fallow_pool *create(enum origin origin, enum fallow_pool_supply supply, size_t npages)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_pool *pool = NULL;

	options.backing = origin == MEMFD ? FALLOW_BACKING_MEMFD : FALLOW_BACKING_HUGETLB;
	options.mount = origin == MOUNT ? PLACE_HUGETLBFS : NULL;
	options.supply = supply;
	options.page_size = PAGE;
	options.npages = npages;
	options.decay_ms = DECAY_MS;
	must_equal(fallow_pool_create(&options, &pool), 0);
	must(pool != NULL);
	return pool;
}

static struct fallow_arena *draw(struct fallow_pool *pool)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.pool = pool;
	options.decay_ms = DECAY_MS;
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static struct fallow_pool_stat stat_of(struct fallow_pool *pool)
{
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;

	must_equal(fallow_pool_stats(pool, &stat), 0);
	must_equal(stat.page_size, PAGE);
	must(stat.npages_used <= stat.npages_populated && stat.npages_populated <= stat.npages);
	return stat;
}

static size_t free_pages(void)
{
	return (size_t)place_free_2m() / PAGE;
}

static unsigned char *take(struct fallow_arena *arena, size_t size, uint64_t seed)
{
	unsigned char *block = fallow_arena_malloc(arena, size);

	must(block != NULL);
	pattern_write(block, size, seed);
	return block;
}

static void must_be_limit(struct fallow_arena *arena, size_t size)
{
	struct fallow_failure failure;

	errno = 0;
	must(fallow_arena_malloc(arena, size) == NULL);
	must_equal(errno, ENOMEM);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_ARENA_LIMIT);
}

static void hold(void *argument)
{
	struct fallow_pool *pool = create(*(enum origin *)argument, FALLOW_POOL_HELD, 4);
	struct fallow_arena *arena = draw(pool);
	unsigned char *block;

	must_equal(free_pages(), SYSTEM_PAGES - 4);
	must_equal(stat_of(pool).npages, 4);
	must_equal(stat_of(pool).npages_populated, 4);
	must_equal(stat_of(pool).npages_used, 0);
	must_equal(stat_of(pool).narenas, 1);
	for (unsigned int round = 0; round < 3; round++) {
		block = take(arena, 7 * MiB, round);
		must_equal(stat_of(pool).npages_used, 4);
		must_be_limit(arena, 3 * MiB);
		must(pattern_holds(block, 7 * MiB, round));
		fallow_arena_free(arena, block);
		must_equal(fallow_arena_trim(arena, NULL), 0);
		must_equal(stat_of(pool).npages_used, 0);
		must_equal(stat_of(pool).npages_populated, 4);
		must_equal(free_pages(), SYSTEM_PAGES - 4);
	}
	block = fallow_arena_calloc(arena, 1, 7 * MiB);
	must(block != NULL && pattern_zero(block, 7 * MiB));
	must_equal(fallow_pool_destroy(pool), -EBUSY);
	must_equal(stat_of(pool).narenas, 1);
	fallow_arena_destroy(arena);
	must_equal(stat_of(pool).narenas, 0);
	must_equal(stat_of(pool).npages_used, 0);
	must_equal(free_pages(), SYSTEM_PAGES - 4);
	arena = draw(pool);
	block = fallow_arena_calloc(arena, 1, 7 * MiB);
	must(block != NULL && pattern_zero(block, 7 * MiB));
	fallow_arena_destroy(arena);
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(free_pages(), SYSTEM_PAGES);
}

static void draw_on_demand(void *argument)
{
	struct fallow_pool *pool = create(*(enum origin *)argument, FALLOW_POOL_ON_DEMAND, 4);
	struct fallow_arena *arena = draw(pool);
	unsigned char *block;

	must_equal(free_pages(), SYSTEM_PAGES);
	must_equal(stat_of(pool).npages_populated, 0);
	block = take(arena, PAGE, 1);
	must_equal(free_pages(), SYSTEM_PAGES - 1);
	must_equal(stat_of(pool).npages_populated, 1);
	take(arena, 3 * PAGE, 2);
	must_equal(free_pages(), SYSTEM_PAGES - 4);
	must_be_limit(arena, PAGE);
	fallow_arena_free(arena, block);
	for (int waited = 0; waited < DECAY_MS + LATE_MS && free_pages() < SYSTEM_PAGES - 3; waited += 10)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	must_equal(free_pages(), SYSTEM_PAGES - 3);
	must_equal(stat_of(pool).npages_populated, 3);
	fallow_arena_destroy(arena);
	for (int waited = 0; waited < DECAY_MS + LATE_MS && free_pages() < SYSTEM_PAGES; waited += 10)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	must_equal(free_pages(), SYSTEM_PAGES);
	must_equal(fallow_pool_destroy(pool), 0);
}

/* Promised more than the system has: the system's pool is what says no. */
static void outrun_the_system(void *argument)
{
	struct fallow_pool *pool = create(*(enum origin *)argument, FALLOW_POOL_ON_DEMAND, SYSTEM_PAGES + 4);
	struct fallow_arena *arena = draw(pool);
	struct fallow_failure failure;
	size_t n = 0;

	while (n <= SYSTEM_PAGES && fallow_arena_malloc(arena, PAGE) != NULL)
		n++;
	must_equal(n, SYSTEM_PAGES);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_POOL_EMPTY);
	fallow_arena_destroy(arena);
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(free_pages(), SYSTEM_PAGES);
}

static void share(void *argument)
{
	struct fallow_pool *pool = create(*(enum origin *)argument, FALLOW_POOL_HELD, 6);
	struct fallow_arena *arenas[3] = { draw(pool), draw(pool), draw(pool) };
	unsigned char *blocks[3];

	must_equal(stat_of(pool).narenas, 3);
	for (unsigned int i = 0; i < 3; i++)
		blocks[i] = take(arenas[i], 2 * PAGE, i);
	must_equal(stat_of(pool).npages_used, 6);
	for (unsigned int i = 0; i < 3; i++) {
		must_be_limit(arenas[i], PAGE);
		must(pattern_holds(blocks[i], 2 * PAGE, i));
	}
	/* What one gives back the others can have. */
	fallow_arena_free(arenas[0], blocks[0]);
	must_equal(fallow_arena_trim(arenas[0], NULL), 0);
	must_equal(stat_of(pool).npages_used, 4);
	take(arenas[1], PAGE, 7);
	take(arenas[2], PAGE, 8);
	must_be_limit(arenas[0], PAGE);
	must(pattern_holds(blocks[1], 2 * PAGE, 1) && pattern_holds(blocks[2], 2 * PAGE, 2));
	/* Also what one has freed and not yet given back: the pool asks it to. */
	fallow_arena_free(arenas[1], blocks[1]);
	take(arenas[0], 2 * PAGE, 9);
	for (int i = 0; i < 3; i++) {
		must_equal(fallow_pool_destroy(pool), -EBUSY);
		fallow_arena_destroy(arenas[i]);
	}
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(free_pages(), SYSTEM_PAGES);
}

static void resize(void *argument)
{
	struct fallow_pool *pool = create(*(enum origin *)argument, FALLOW_POOL_HELD, 2);
	struct fallow_arena *arena = draw(pool);
	unsigned char *blocks[5];

	blocks[0] = take(arena, PAGE, 0);
	blocks[1] = take(arena, PAGE, 1);
	must_be_limit(arena, PAGE);
	must_equal(fallow_pool_resize(pool, 5), 0);
	must_equal(free_pages(), SYSTEM_PAGES - 5);
	must_equal(stat_of(pool).npages, 5);
	for (unsigned int i = 2; i < 5; i++)
		blocks[i] = take(arena, PAGE, i);
	must_be_limit(arena, PAGE);
	must_equal(fallow_pool_resize(pool, 4), -EBUSY);
	must_equal(stat_of(pool).npages, 5);
	must_equal(free_pages(), SYSTEM_PAGES - 5);
	for (unsigned int i = 0; i < 3; i++) {
		must(pattern_holds(blocks[i], PAGE, i));
		fallow_arena_free(arena, blocks[i]);
	}
	/* Idle pages are no reason for -EBUSY, whichever they are. */
	must_equal(fallow_pool_resize(pool, 2), 0);
	must_equal(stat_of(pool).npages, 2);
	must_equal(free_pages(), SYSTEM_PAGES - 2);
	must_equal(fallow_pool_resize(pool, 1), -EBUSY);
	must_equal(fallow_pool_resize(pool, 0), -EINVAL);
	must(pattern_holds(blocks[3], PAGE, 3) && pattern_holds(blocks[4], PAGE, 4));
	must_be_limit(arena, PAGE);
	fallow_arena_destroy(arena);
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(free_pages(), SYSTEM_PAGES);
}

/* Pages that are held cannot be taken by others, nor by the administrator. */
static void keep_what_is_held(void *argument)
{
	struct fallow_pool *pool = create(*(enum origin *)argument, FALLOW_POOL_HELD, 3);
	struct fallow_pool *rival = create(ANONYMOUS, FALLOW_POOL_HELD, SYSTEM_PAGES - 3);
	struct fallow_arena *arena = draw(pool);
	unsigned char *block;

	must_equal(free_pages(), 0);
	block = take(arena, 3 * PAGE, 1);
	must(pattern_holds(block, 3 * PAGE, 1));
	fallow_arena_destroy(arena);
	must_equal(fallow_pool_destroy(rival), 0);
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(free_pages(), SYSTEM_PAGES);
}

static enum origin origins[] = { ANONYMOUS, MEMFD, MOUNT };

static void run(place_fn *fn, void *origin)
{
	static const struct place place = { .huge_2m = SYSTEM_PAGES, .hugetlbfs = PLACE_UNSIZED };

	assert_lives(&place, fn, origin);
}

static void is_held(void **state)
{
	run(hold, *state);
}

static void is_drawn_on_demand(void **state)
{
	run(draw_on_demand, *state);
}

static void is_told_by_the_system(void **state)
{
	run(outrun_the_system, *state);
}

static void is_shared(void **state)
{
	run(share, *state);
}

static void is_resized(void **state)
{
	run(resize, *state);
}

static void is_kept(void **state)
{
	run(keep_what_is_held, *state);
}

#define of_each_origin(test)                                                                                           \
	{ "anonymous: " #test, test, NULL, NULL, &origins[ANONYMOUS] },                                                \
		{ "memfd: " #test, test, NULL, NULL, &origins[MEMFD] },                                                \
		{ "mount: " #test, test, NULL, NULL, &origins[MOUNT] }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		of_each_origin(is_held),
		of_each_origin(is_drawn_on_demand),
		of_each_origin(is_told_by_the_system),
		of_each_origin(is_shared),
		of_each_origin(is_resized),
		of_each_origin(is_kept),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
