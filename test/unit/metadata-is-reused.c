/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that metadata objects are zeroed, aligned to cache lines, apart from each other, and reused by size, so that
 * making and freeing does not grow; and that tables grow in place, keep what they hold, and refuse what is not free.
 */
#include "meta/meta.h"

#include <errno.h>
#include <string.h>

#include "meta/claim.h"
#include "meta/table.h"
#include "test/lib/test.h"
#include "test/unit/random.h"

#define NOBJECTS 200
#define NROUNDS 3000
#define SIZE_MOST 5000
#define NELEMENTS 100000

struct object {
	unsigned char *bytes;
	size_t size;
	unsigned char mark;
};

static bool all_are(const unsigned char *bytes, size_t size, unsigned char value)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

static void make(struct object *object, uint64_t *random)
{
	object->size = random_below(random, SIZE_MOST);
	object->mark = (unsigned char)(1 + random_below(random, 255));
	object->bytes = fl_meta_alloc(object->size);
	assert_non_null(object->bytes);
	assert_int_equal((uintptr_t)object->bytes % FL_CACHE_LINE, 0);
	assert_true(all_are(object->bytes, object->size, 0));
	memset(object->bytes, object->mark, object->size);
}

static void objects_are_zero_and_apart(void **state)
{
	struct object objects[NOBJECTS] = { 0 };
	uint64_t random = SEED;
	size_t mapped_early = 0;

	(void)state;
	for (int i = 0; i < NROUNDS; i++) {
		struct object *object = &objects[random_below(&random, NOBJECTS)];

		if (object->bytes) {
			assert_true(all_are(object->bytes, object->size, object->mark));
			fl_meta_free(object->bytes, object->size);
		}
		make(object, &random);
		if (i == NROUNDS / 2)
			mapped_early = fl_meta_mapped();
	}
	/* Sizes go on varying, so the last half is not for nothing, but cheap beside the first. */
	assert_true(fl_meta_mapped() < 2 * mapped_early);
	for (int i = 0; i < NOBJECTS; i++) {
		if (objects[i].bytes) {
			assert_true(all_are(objects[i].bytes, objects[i].size, objects[i].mark));
			fl_meta_free(objects[i].bytes, objects[i].size);
		}
	}
}

static void the_same_size_is_the_same_memory(void **state)
{
	(void)state;
	for (size_t size = 0; size < 20000; size += 37) {
		void *object = fl_meta_alloc(size);

		assert_non_null(object);
		fl_meta_free(object, size);
		size_t mapped = fl_meta_mapped();
		for (int i = 0; i < 4; i++) {
			void *again = fl_meta_alloc(size);

			assert_ptr_equal(again, object);
			fl_meta_free(again, size);
		}
		assert_int_equal(fl_meta_mapped(), mapped);
	}
}

static void large_objects_have_room(void **state)
{
	(void)state;
	for (size_t size = 64 * FL_KIB - 64; size <= 4 * FL_MIB; size = size * 2 + 100) {
		unsigned char *object = fl_meta_alloc(size);

		assert_non_null(object);
		assert_true(all_are(object, size, 0));
		memset(object, 0xa5, size);
		fl_meta_free(object, size);
	}
}

static void tables_grow_in_place(void **state)
{
	struct fl_table table;
	uintptr_t base;
	size_t footprint = fl_table_footprint(sizeof(uint64_t), NELEMENTS), mapped = fl_meta_mapped();

	(void)state;
	assert_true(footprint >= sizeof(uint64_t) * NELEMENTS);
	assert_int_equal(fl_claim_take(footprint, &base), 0);
	fl_table_create(&table, base, sizeof(uint64_t), NELEMENTS);
	assert_int_equal(fl_meta_mapped(), mapped);
	uint64_t *elements = (uint64_t *)table.base;
	for (size_t n = 0, grown = 1; n < NELEMENTS; grown = fl_min(grown * 3, NELEMENTS)) {
		assert_int_equal(fl_table_grow(&table, grown), 0);
		assert_int_equal(fl_table_grow(&table, grown / 2), 0);
		assert_ptr_equal(table.base, elements);
		for (size_t i = 0; i < grown; i++) {
			assert_int_equal(elements[i], i < n ? i + 1 : 0);
			elements[i] = i + 1;
		}
		n = grown;
	}
	assert_true(fl_meta_mapped() - mapped >= NELEMENTS * sizeof(uint64_t));
	assert_true(fl_meta_mapped() - mapped <= footprint);
	fl_table_destroy(&table);
	assert_int_equal(fl_meta_mapped(), mapped);
	fl_claim_put(base, footprint);
}

static void tables_keep_off_what_is_there(void **state)
{
	struct fl_table table;
	uintptr_t base;
	size_t footprint = fl_table_footprint(4096, 64);

	(void)state;
	assert_int_equal(fl_claim_take(footprint, &base), 0);
	fl_table_create(&table, base, 4096, 64);
	assert_int_equal(fl_table_grow(&table, 16), 0);
	unsigned char *stranger = (unsigned char *)base + (size_t)32 * 4096;
	assert_int_equal(fl_meta_map(stranger, 64 * FL_KIB), 0);
	memset(stranger, 0x5a, 64 * FL_KIB);
	size_t mapped = fl_meta_mapped();
	assert_int_equal(fl_table_grow(&table, 40), -EEXIST);
	assert_int_equal(fl_meta_mapped(), mapped);
	assert_true(all_are(stranger, 64 * FL_KIB, 0x5a));
	/* As it was: what fits still does. */
	assert_int_equal(fl_table_grow(&table, 32), 0);
	fl_meta_unmap(stranger, 64 * FL_KIB);
	assert_int_equal(fl_table_grow(&table, 40), 0);
	fl_table_destroy(&table);
	fl_claim_put(base, footprint);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zero_and_apart),
		cmocka_unit_test(the_same_size_is_the_same_memory),
		cmocka_unit_test(large_objects_have_room),
		cmocka_unit_test(tables_grow_in_place),
		cmocka_unit_test(tables_keep_off_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
