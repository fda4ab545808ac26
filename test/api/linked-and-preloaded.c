/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which is linked with libfallow and runs with libfallow-malloc preloaded sees one state: blocks
 * of malloc are blocks of fallow_malloc and the other way round, counters and options are the same, failures are seen.
 */
#include <errno.h>
#include <malloc.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>
#include <fallow/options.h>
#include <fallow/stats.h>

#include "test/lib/preload.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)

static size_t large_now(void)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;

	assert_int_equal(fallow_stats_read(&stats), 0);
	return stats.large;
}

static void one_heap(void **state)
{
	size_t before = large_now();
	void *theirs = malloc(16 * MiB), *ours;

	(void)state;
	assert_non_null(theirs);
	assert_true(large_now() >= before + 16 * MiB);
	assert_true(fallow_usable_size(theirs) == malloc_usable_size(theirs));
	fallow_free(theirs);
	assert_true(large_now() == before);
	ours = fallow_malloc(16 * MiB);
	assert_non_null(ours);
	assert_true(malloc_usable_size(ours) >= 16 * MiB);
	ours = realloc(ours, 17 * MiB);
	assert_non_null(ours);
	free(ours);
	assert_true(large_now() == before);
}

static void arenas_take_part(void **state)
{
	struct fallow_arena *arena = NULL;
	void *block;

	(void)state;
	assert_int_equal(fallow_arena_create(NULL, &arena), 0);
	block = fallow_arena_malloc(arena, 1000);
	assert_non_null(block);
	assert_true(malloc_usable_size(block) >= 1000);
	free(block);
	fallow_arena_destroy(arena);
}

static void one_failure(void **state)
{
	volatile size_t too_large = SIZE_MAX;
	struct fallow_failure failure;

	(void)state;
	errno = 0;
	assert_null(malloc(too_large));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
}

static void one_configuration(void **state)
{
	char value[64];

	(void)state;
	assert_int_equal(fallow_option_get("decay", value, sizeof(value)), 0);
	assert_string_equal(value, "4321ms");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_heap),
		cmocka_unit_test(arenas_take_part),
		cmocka_unit_test(one_failure),
		cmocka_unit_test(one_configuration),
	};

	(void)argc;
	test_preload(argv, "decay:4321ms");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
