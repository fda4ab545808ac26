/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the class of a size is the smallest that holds it, for every size and alignment that slabs serve, that
 * rounding up wastes at most an eighth, and that slabs of every class are as the table says.
 */
#include "heap/class.h"

#include "extent/region.h"
#include "test/lib/test.h"

#define SIZE_LEAST 16

static unsigned int search(size_t size)
{
	unsigned int class = 0;

	while (fl_classes[class].size < size)
		class++;
	return class;
}

static void every_size_has_the_smallest_class(void **state)
{
	(void)state;
	for (size_t size = 0; size <= FL_SMALL_MOST; size++) {
		unsigned int class = fl_class_of(size);

		assert_int_equal(class, search(size));
		if (size > FL_TABLE_MOST)
			assert_int_equal(class, fl_class_of_medium(size));
	}
}

static void little_is_wasted(void **state)
{
	(void)state;
	for (size_t size = 1; size <= FL_SMALL_MOST; size++) {
		size_t waste = fl_classes[fl_class_of(size)].size - size;

		assert_true(waste < SIZE_LEAST || waste <= size / 8);
	}
}

static void classes_make_whole_slabs(void **state)
{
	(void)state;
	for (unsigned int class = 0; class < FL_NCLASSES; class++) {
		const struct fl_class *c = &fl_classes[class];
		size_t bytes = c->ngranules * FL_GRANULE;

		assert_int_equal(c->size % 16, 0);
		assert_true(class == 0 || c->size > fl_classes[class - 1].size);
		assert_true(bytes / c->size >= 8);
		assert_true(c->ngranules <= FL_UNIT_GRANULES);
		/* The end of a slab that is no slot's is small. */
		assert_true(bytes % c->size <= bytes / 25);
	}
	assert_int_equal(fl_classes[FL_NCLASSES - 1].size, FL_SMALL_MOST);
}

/* Slots lie at multiples of the class's size from a granule's start. */
static void aligned_classes_are_aligned(void **state)
{
	(void)state;
	for (size_t alignment = 1; alignment <= FL_SMALL_MOST; alignment *= 2) {
		for (size_t size = 0; size <= FL_SMALL_MOST; size++) {
			assert_true(fl_class_fits(size, alignment));
			unsigned int class = fl_class_of_aligned(size, alignment);
			unsigned int tightest = search(size);

			while (fl_classes[tightest].size % alignment != 0)
				tightest++;
			assert_true(class < FL_NCLASSES);
			assert_true(fl_classes[class].size >= size);
			assert_int_equal(fl_classes[class].size % alignment, 0);
			assert_int_equal(class, tightest);
		}
	}
}

static void others_do_not_fit(void **state)
{
	(void)state;
	assert_false(fl_class_fits(FL_SMALL_MOST + 1, 1));
	assert_false(fl_class_fits(1, FL_SMALL_MOST * 2));
	assert_false(fl_class_fits(SIZE_MAX, 16));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_has_the_smallest_class),
		cmocka_unit_test(little_is_wasted),
		cmocka_unit_test(classes_make_whole_slabs),
		cmocka_unit_test(aligned_classes_are_aligned),
		cmocka_unit_test(others_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
