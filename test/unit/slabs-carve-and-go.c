/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every class that a slab carves all its slots, each once and in its place, populating no further than it has
 * carved; that every granule of it is known by the map; that a slab goes as a whole; and that a slab which cannot be
 * populated any further says so and stays as it was.
 */
#include "heap/slab.h"

#include "base/bits.h"
#include "diag/options.h"
#include "os/os.h"
#include "test/lib/test.h"

#define ID 7
#define SLOTS_MOST (FL_GRANULE / 16)

static struct fallow_arena arena;

static int create_arena(void **state)
{
	struct fl_arena_options options = {
		.region = {
			.backing = { .kind = FALLOW_BACKING_MEMFD, .fd = -1, .node = -1 },
			.reserve = 64 * FL_MIB, .limit = 16 * FL_GRANULE, .decay = 0,
		},
	};

	(void)state;
	arena = (struct fallow_arena){ 0 };
	return fl_arena_create(&arena, &options);
}

static int destroy_arena(void **state)
{
	(void)state;
	fl_arena_destroy(&arena);
	return 0;
}

static struct fl_slab *create(unsigned int class)
{
	struct fl_failure failure;
	struct fl_slab *slab = fl_slab_create(&arena, ID, class, fl_classes[class].ngranules, false, &failure);

	assert_non_null(slab);
	assert_int_equal(failure.reason, FALLOW_REASON_NONE);
	return slab;
}

/* Mark the slots of a carved list as seen; their number. */
static size_t see(const struct fl_slab *slab, const struct fl_slot *slot, uint64_t *seen)
{
	size_t size = fl_classes[slab->class].size, n = 0;

	for (; slot; slot = fl_slot_next(slot), n++) {
		size_t offset = (size_t)((const char *)slot - fl_slab_start(slab));

		assert_int_equal(offset % size, 0);
		assert_true(offset / size < slab->nslots);
		assert_false(fl_bitmap_test(seen, offset / size));
		fl_bitmap_set(seen, offset / size);
	}
	return n;
}

static void assert_known(const struct fl_slab *slab, uint64_t word)
{
	size_t granule = fl_granule_of(arena.region, fl_slab_start(slab));

	for (size_t i = 0; i < fl_classes[slab->class].ngranules; i++) {
		assert_int_equal(fl_map_get(arena.region, granule + i), word);
		assert_int_equal(arena.region->classes[granule + i], slab->class);
	}
}

static void every_slot_is_carved_once(void **state)
{
	struct fl_failure failure;

	(void)state;
	for (unsigned int class = 0; class < FL_NCLASSES; class++) {
		const struct fl_class *c = &fl_classes[class];
		struct fl_slab *slab = create(class);
		uint64_t seen[SLOTS_MOST / 64] = { 0 };
		size_t ncarved = 0, least = fl_max(FL_GRANULE, fl_os_page_size());

		assert_int_equal(arena.taken, c->ngranules * FL_GRANULE);
		assert_int_equal((uintptr_t)fl_slab_start(slab) % FL_GRANULE, 0);
		assert_known(slab, fl_map_word(ID, slab));
		while (!fl_slab_is_carved(slab)) {
			struct fl_slot *slots = fl_slab_carve(slab, &failure);

			assert_non_null(slots);
			ncarved += see(slab, slots, seen);
			assert_int_equal(slab->ncarved, ncarved);
			assert_true(arena.region->present <= fl_align_up(ncarved * c->size, least));
		}
		assert_int_equal(ncarved, slab->nslots);
		fl_slab_destroy(slab, &arena);
		assert_known(slab, 0);
		assert_int_equal(arena.taken, 0);
		assert_int_equal(arena.region->present, 0);
		assert_int_equal(arena.nslabs, 0);
	}
}

/* What a slab touched is not taken for zero by the next one to have its memory. */
static void touched_memory_is_not_zero(void **state)
{
	struct fl_failure failure;
	struct fl_extent extent;
	bool zero;

	(void)state;
	arena.region->decay = FL_DECAY_NEVER;
	struct fl_slab *slab = create(0);
	fl_slab_carve(slab, &failure);
	fl_slab_destroy(slab, &arena);
	assert_int_equal(fl_arena_take(&arena, arena.region, 2, 1, 2, FL_USE_UNKNOWN, &extent, &zero).reason, FALLOW_REASON_NONE);
	assert_false(zero);
	fl_arena_put(&arena, &extent, 0);
}

/* Where pages are larger than granules, several granules come in at once. */
static void need_small_pages(void)
{
	if (fl_os_page_size() > FL_GRANULE)
		skip();
}

static void a_slab_that_cannot_grow_stays(void **state)
{
	struct fl_failure failure;
	unsigned int class = FL_NCLASSES - 1;
	uint64_t seen[SLOTS_MOST / 64] = { 0 };
	struct fl_extent extent;
	bool zero;

	(void)state;
	need_small_pages();
	struct fl_slab *slab = create(class);
	size_t rest = arena.region->limit / FL_GRANULE - 1;
	size_t ncarved = see(slab, fl_slab_carve(slab, &failure), seen);
	assert_int_equal(fl_arena_take(&arena, arena.region, rest, 1, rest, FL_USE_UNKNOWN, &extent, &zero).reason, FALLOW_REASON_NONE);
	for (int i = 0; i < 3; i++) {
		assert_null(fl_slab_carve(slab, &failure));
		assert_int_equal(failure.reason, FALLOW_REASON_ARENA_LIMIT);
		assert_int_equal(slab->ncarved, ncarved);
		assert_int_equal(slab->npopulated, 1);
		assert_null(fl_slab_create(&arena, ID, 0, 1, false, &failure));
		assert_int_equal(failure.reason, FALLOW_REASON_ARENA_LIMIT);
	}
	fl_arena_put(&arena, &extent, 0);
	while (!fl_slab_is_carved(slab))
		ncarved += see(slab, fl_slab_carve(slab, &failure), seen);
	assert_int_equal(ncarved, slab->nslots);
	fl_slab_destroy(slab, &arena);
	assert_int_equal(arena.taken, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_slot_is_carved_once, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(touched_memory_is_not_zero, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(a_slab_that_cannot_grow_stays, create_arena, destroy_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
