/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that volatile objects never overlap, come zero and keep what they hold while they are held; that those left to
 * the kernel say which pages they lost, and have them again; that the limit is answered with NULL, and wrong calls with
 * -EINVAL; and that parent and child of fork have objects of their own. Random work is held to a model.
 */
#include <errno.h>

#include "test/api/map-kinds.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* 5.4 */
#endif

#define LIMIT ((size_t)2 << 20)
#define NOBJECTS 64
#define NSTEPS 20000
#define NPAGES_MOST 40

static size_t page;

struct object {
	char *bytes;
	size_t npages;
	char value;     /* every byte's */
	bool is_left;
};

static uint64_t next(uint64_t *state)
{
	return (*state = *state * 6364136223846793005u + 1442695040888963407u) >> 33;
}

static struct fallow_volatile_arena *create(void)
{
	struct fallow_volatile_arena *arena = NULL;

	must_equal(fallow_volatile_arena_create(LIMIT, &arena), 0);
	return arena;
}

static void take_object(struct fallow_volatile_arena *arena, struct object *object, uint64_t *random)
{
	object->npages = 1 + next(random) % NPAGES_MOST;
	object->value = (char)(1 + next(random) % 127);
	object->is_left = false;
	object->bytes = fallow_volatile_alloc(arena, object->npages * page - next(random) % page);
	if (object->bytes == NULL) {
		assert_int_equal(errno, ENOMEM);
		return;
	}
	assert_true(map_reads(object->bytes, object->npages * page, 0));
	memset(object->bytes, object->value, object->npages * page);
}

/* What was lost is zero, all else is as it was. */
static void hold_object(struct fallow_volatile_arena *arena, struct object *object, bool is_there)
{
	uint64_t lost = 0;
	size_t nlost = 0;

	assert_int_equal(fallow_volatile_hold(arena, object->bytes, &lost, &nlost), 0);
	assert_int_equal(__builtin_popcountll(lost), nlost);
	assert_true(nlost == 0 || !is_there);
	for (size_t i = 0; i < object->npages; i++)
		assert_true(map_reads(object->bytes + i * page, page, lost >> i & 1 ? 0 : object->value));
	memset(object->bytes, object->value, object->npages * page);
	object->is_left = false;
}

static void change_object(struct fallow_volatile_arena *arena, struct object *object, uint64_t *random)
{
	bool is_taken = next(random) % 4 == 0;

	if (next(random) % 4 == 0) {
		if (!object->is_left)
			assert_true(map_reads(object->bytes, object->npages * page, object->value));
		assert_int_equal(fallow_volatile_free(arena, object->bytes), 0);
		object->bytes = NULL;
	} else if (object->is_left) {
		if (is_taken)
			madvise(object->bytes, object->npages / 2 * page, MADV_PAGEOUT);
		hold_object(arena, object, !is_taken);
	} else {
		assert_true(map_reads(object->bytes, object->npages * page, object->value));
		assert_int_equal(fallow_volatile_leave(arena, object->bytes), 0);
		object->is_left = true;
	}
}

static void random_work_agrees_with_a_model(void **state)
{
	struct fallow_volatile_arena *arena = create();
	struct object objects[NOBJECTS] = { { 0 } };
	uint64_t random = 20261120;
	size_t nrefused = 0;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random);
	for (int i = 0; i < NSTEPS; i++) {
		struct object *object = &objects[next(&random) % NOBJECTS];

		if (object->bytes != NULL)
			change_object(arena, object, &random);
		else
			take_object(arena, object, &random);
		nrefused += object->bytes == NULL;
	}
	assert_true(nrefused > 0);
	for (size_t i = 0; i < NOBJECTS; i++) {
		if (objects[i].bytes != NULL)
			assert_int_equal(fallow_volatile_free(arena, objects[i].bytes), 0);
	}
	/* All of it is one run again. */
	assert_non_null(fallow_volatile_alloc(arena, LIMIT));
	fallow_volatile_arena_destroy(arena);
}

static void what_is_taken_comes_back_zero(void **state)
{
	struct fallow_volatile_arena *arena = create();
	char *object = fallow_volatile_alloc(arena, 8 * page);
	uint64_t lost;
	size_t nlost;

	(void)state;
	memset(object, 'o', 8 * page);
	assert_int_equal(fallow_volatile_leave(arena, object), 0);
	assert_int_equal(madvise(object + 2 * page, 3 * page, MADV_PAGEOUT), 0);
	assert_int_equal(fallow_volatile_hold(arena, object, &lost, &nlost), 0);
	assert_int_equal(lost, 7 << 2);
	assert_int_equal(nlost, 3);
	assert_true(map_reads(object + 2 * page, 3 * page, 0));
	assert_true(map_reads(object, 2 * page, 'o') && map_reads(object + 5 * page, 3 * page, 'o'));
	/* Held: the kernel takes nothing. */
	madvise(object, 8 * page, MADV_PAGEOUT);
	assert_int_equal(fallow_volatile_hold(arena, object, &lost, &nlost), 0);
	assert_true(lost == 0 && nlost == 0);
	fallow_volatile_arena_destroy(arena);
}

static void says_no(void **state)
{
	struct fallow_volatile_arena *arena = create(), *none = NULL;
	struct fallow_failure failure;
	char *object = fallow_volatile_alloc(arena, 2 * page);

	(void)state;
	assert_int_equal(fallow_volatile_arena_create(0, &none), -EINVAL);
	assert_int_equal(fallow_volatile_arena_create(LIMIT, NULL), -EINVAL);
	assert_null(fallow_volatile_alloc(arena, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(fallow_volatile_alloc(arena, LIMIT));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_MAP_LIMIT);
	assert_null(fallow_volatile_alloc(arena, SIZE_MAX));
	assert_int_equal(fallow_volatile_free(arena, object + page), -EINVAL);
	assert_int_equal(fallow_volatile_leave(arena, object + 1), -EINVAL);
	assert_int_equal(fallow_volatile_hold(arena, object - page, NULL, NULL), -EINVAL);
	assert_int_equal(fallow_volatile_hold(arena, object + LIMIT, NULL, NULL), -EINVAL);
	assert_int_equal(fallow_volatile_leave(arena, NULL), -EINVAL);
	assert_int_equal(fallow_volatile_free(arena, object), 0);
	assert_int_equal(fallow_volatile_free(arena, object), -EINVAL);
	fallow_volatile_arena_destroy(arena);
	fallow_volatile_arena_destroy(NULL);
}

static void a_child_has_its_own(void **state)
{
	struct fallow_volatile_arena *arena = create();
	char *object = fallow_volatile_alloc(arena, 8 * page);
	size_t nlost;
	int status;

	(void)state;
	memset(object, 'p', 8 * page);
	assert_int_equal(fallow_volatile_leave(arena, object), 0);
	pid_t child = fork();
	if (child == 0) {
		must_equal(fallow_volatile_hold(arena, object, NULL, &nlost), 0);
		must_equal(nlost, 0);
		must(map_reads(object, 8 * page, 'p'));
		must_equal(fallow_volatile_free(arena, object), 0);
		must(fallow_volatile_alloc(arena, LIMIT) != NULL);
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	assert_int_equal(fallow_volatile_hold(arena, object, NULL, &nlost), 0);
	assert_int_equal(nlost, 0);
	assert_true(map_reads(object, 8 * page, 'p'));
	fallow_volatile_arena_destroy(arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_work_agrees_with_a_model),
		cmocka_unit_test(what_is_taken_comes_back_zero),
		cmocka_unit_test(says_no),
		cmocka_unit_test(a_child_has_its_own),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
