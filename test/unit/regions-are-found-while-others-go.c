/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that looking an address up, which takes no lock, and adding up statistics are right while other regions and arenas
 * come and go in other threads: a live region is found, always; an address in none is in none; counters are of what lives.
 */
#include <fallow/fallow.h>

#include <pthread.h>
#include <string.h>

#include "diag/options.h"
#include "extent/region.h"
#include "meta/claim.h"
#include "meta/meta.h"
#include "os/os.h"
#include "test/lib/test.h"

#define MILLISECONDS 500
#define MiB ((size_t)1 << 20)

static bool over; /* atomic */

static bool is_over(void)
{
	return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

/* Much longer than what it lies beside: a stale length or base would cover others' addresses. */
static struct fl_region *create(void)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 },
		.reserve = fl_claim_longest() / 4, .decay = FL_DECAY_NEVER,
	};
	struct fl_region *region;

	return fl_region_create(&options, &region) == 0 ? region : NULL;
}

static void *come_and_go(void *unused)
{
	while (!is_over()) {
		struct fl_region *region = create();
		if (region == NULL)
			continue;
		fl_region_destroy(region);
		/* What its memory is used for next begins with an address, such as a base might be. */
		void *object = fl_meta_alloc(sizeof(struct fl_region));
		if (object) {
			memset(object, 0, sizeof(struct fl_region));
			fl_meta_free(object, sizeof(struct fl_region));
		}
	}
	return unused;
}

static void with_thread(void *(*run)(void *), void (*body)(void))
{
	pthread_t thread;
	uint64_t start = fl_os_clock_ms();

	__atomic_store_n(&over, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	while (fl_os_clock_ms() - start < MILLISECONDS)
		body();
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static struct fl_region *first, *last;

static void look_up(void)
{
	const char *beginning = (const char *)first->base, *end = (const char *)last->base + (last->nreserved << FL_GRANULE_SHIFT);

	for (int i = 0; i < 1000; i++) {
		assert_ptr_equal(fl_region_find(beginning), first);
		assert_ptr_equal(fl_region_find(end - 1), last);
		assert_null(fl_region_find((const void *)(uintptr_t)(i * FL_MIB)));
		assert_null(fl_region_find(&i));
	}
}

static void a_live_region_is_found(void **state)
{
	/* Two, around the slot that is used again and again. */
	struct fl_region *middle;

	(void)state;
	first = create();
	middle = create();
	last = create();
	assert_true(first && middle && last);
	fl_region_destroy(middle);
	with_thread(come_and_go, look_up);
	fl_region_destroy(first);
	fl_region_destroy(last);
}

static void *live_briefly(void *unused)
{
	while (!is_over()) {
		struct fallow_arena *arena;
		if (fallow_arena_create(NULL, &arena) != 0)
			continue;
		fallow_arena_malloc(arena, MiB);
		fallow_arena_destroy(arena);
	}
	return unused;
}

static void add_up(void)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;

	assert_int_equal(fallow_stats_read(&stats), 0);
	assert_in_range(stats.narenas, 0, 2);
	assert_in_range(stats.taken, 0, 4 * MiB);
	assert_in_range(stats.populated, 0, 4 * MiB);
	assert_in_range(stats.large, 0, 4 * MiB);
	assert_in_range(stats.nlarge, 0, 1);
}

static void statistics_are_of_what_lives(void **state)
{
	(void)state;
	with_thread(live_briefly, add_up);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_region_is_found),
		cmocka_unit_test(statistics_are_of_what_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
