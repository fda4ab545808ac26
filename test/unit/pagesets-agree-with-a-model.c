/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that sets of pages agree with an array of booleans over random ranges, at the borders of words, leaves and
 * middles, and that pages 64 TiB apart cost a leaf each.
 */
#include <string.h>

#include "map/pageset.h"
#include "meta/meta.h"
#include "test/lib/test.h"
#include "test/unit/random.h"

#define NPAGES 100000
#define NROUNDS 3000

static size_t model_count(const bool *model, size_t first, size_t end)
{
	size_t n = 0;

	for (; first < end; first++)
		n += model[first];
	return n;
}

static size_t model_next(const bool *model, size_t first, size_t end, bool wanted)
{
	while (first < end && model[first] != wanted)
		first++;
	return first;
}

/* Ends of ranges lie near borders half of the time. */
static size_t random_page(uint64_t *random)
{
	size_t page = random_below(random, NPAGES + 1);

	return page & 1 ? page : (page & ~(size_t)63) % (NPAGES + 1);
}

static void agree(void **state)
{
	static bool model[NPAGES];
	struct fl_pageset set;
	uint64_t random = SEED;

	(void)state;
	assert_int_equal(fl_pageset_create(&set, NPAGES), 0);
	for (int round = 0; round < NROUNDS; round++) {
		size_t a = random_page(&random), b = random_page(&random);
		size_t first = a < b ? a : b, end = a < b ? b : a;
		bool add = random_below(&random, 2) != 0;

		if (round % 3 != 0 && end - first > 1000)
			end = first + 1000;
		if (add) {
			assert_int_equal(fl_pageset_reserve(&set, first, end), 0);
			fl_pageset_add(&set, first, end);
		} else {
			fl_pageset_remove(&set, first, end);
		}
		memset(model + first, add, end - first);
		a = random_page(&random);
		b = random_page(&random);
		first = a < b ? a : b;
		end = a < b ? b : a;
		assert_int_equal(fl_pageset_count(&set, first, end), model_count(model, first, end));
		assert_int_equal(fl_pageset_next(&set, first, end), model_next(model, first, end, true));
		assert_int_equal(fl_pageset_next_absent(&set, first, end), model_next(model, first, end, false));
		assert_int_equal(set.count, model_count(model, 0, NPAGES));
	}
	fl_pageset_destroy(&set);
}

static void far_apart(void **state)
{
	const size_t npages = 64 * FL_TIB / 4096, pages[] = { 0, 1, 32767, 32768, npages / 2, npages - 1 };
	size_t before = fl_meta_mapped();
	struct fl_pageset set;

	(void)state;
	assert_int_equal(fl_pageset_create(&set, npages), 0);
	for (size_t i = 0; i < FL_LENGTH(pages); i++) {
		assert_int_equal(fl_pageset_reserve(&set, pages[i], pages[i] + 1), 0);
		fl_pageset_add(&set, pages[i], pages[i] + 1);
	}
	assert_int_equal(set.count, FL_LENGTH(pages));
	assert_int_equal(fl_pageset_next(&set, 32769, npages), npages / 2);
	assert_int_equal(fl_pageset_next(&set, npages / 2 + 1, npages), npages - 1);
	assert_int_equal(fl_pageset_next_absent(&set, 0, npages), 2);
	fl_pageset_remove(&set, 1, npages);
	assert_int_equal(set.count, 1);
	assert_in_range(fl_meta_mapped() - before, 0, 256 * FL_KIB);
	fl_pageset_destroy(&set);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agree),
		cmocka_unit_test(far_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
