/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that in a region which leaves memory to faults a slab that will be used up soon comes in by whole granules before its
 * slots are handed out, and any other by the pages that its slots touch.
 */
#include "heap/slab.h"

#include <sys/mman.h>

#include "os/os.h"
#include "test/lib/test.h"

#define ID 7

static struct fallow_arena arena;

static int create_arena(void **state)
{
	struct fl_arena_options options = {
		.region = {
			.backing = { .kind = FALLOW_BACKING_ANON, .populate = FALLOW_POPULATE_NONE, .fd = -1, .node = -1 },
			.reserve = 64 * FL_MIB, .decay = 0, .thp = FALLOW_THP_NEVER,
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

static size_t present(const struct fl_slab *slab)
{
	unsigned char pages[32 * FL_GRANULE / 4096];
	size_t npages = slab->ngranules * FL_GRANULE / fl_os_page_size(), n = 0;

	assert_true(npages <= sizeof(pages));
	assert_int_equal(mincore(fl_slab_start(slab), npages * fl_os_page_size(), pages), 0);
	for (size_t i = 0; i < npages; i++)
		n += pages[i] & 1;
	return n * fl_os_page_size();
}

/* After each carving of a slot of the largest class, of which each touches one page. */
static void carve(bool eager, size_t step)
{
	unsigned int class = FL_NCLASSES - 1;
	struct fl_failure failure;
	struct fl_slab *slab = fl_slab_create(&arena, ID, class, fl_classes[class].ngranules, eager, &failure);

	assert_non_null(slab);
	assert_int_equal(present(slab), eager ? step : 0);
	for (size_t n = 1; !fl_slab_is_carved(slab); n++) {
		assert_non_null(fl_slab_carve(slab, &failure));
		assert_int_equal(present(slab), n * step);
	}
	fl_slab_destroy(slab, &arena);
}

static void by_granules(void **state)
{
	(void)state;
	carve(true, FL_GRANULE);
}

static void by_pages(void **state)
{
	(void)state;
	carve(false, fl_os_page_size());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_granules, create_arena, destroy_arena),
		cmocka_unit_test_setup_teardown(by_pages, create_arena, destroy_arena),
	};

	if (fl_os_page_size() > FL_GRANULE)
		test_skip("a page of this machine is several granules");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
