/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that address space is not memory: an arena with 64 TiB reserved is created in less than 1 ms (the median of
 * several) and costs less than 1 MiB of memory and page tables, on every backing that takes so much; so do as many
 * arenas of 8 TiB as there are addresses for, after which creation says ENOMEM and destroying them makes room again.
 */
#include <errno.h>
#include <time.h>

#include <fallow/arena.h>

#include "test/lib/machine.h"
#include "test/lib/test.h"

#define TiB ((size_t)1 << 40)
#define KiB 1024LL
#define NROUNDS 15
#define MAX_ARENAS 64

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Bytes of memory and of page tables. */
static long long held(void)
{
	return (test_machine_field("/proc/self/smaps_rollup", "Rss:") + test_machine_field("/proc/self/status", "VmPTE:")) *
	       KiB;
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

static int create(struct fallow_arena **arena, enum fallow_backing backing, size_t reserve)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.backing = backing;
	options.reserve = reserve;
	return fallow_arena_create(&options, arena);
}

/* The library's own start is not what is measured. */
static void start(void)
{
	struct fallow_arena *arena = NULL;

	assert_int_equal(create(&arena, FALLOW_BACKING_ANON, 0), 0);
	fallow_arena_destroy(arena);
}

static void measure(const char *name, enum fallow_backing backing)
{
	double times[NROUNDS];
	long long most = 0;

	start();
	for (int i = 0; i < NROUNDS; i++) {
		struct fallow_arena *arena = NULL;
		long long before = held(), after;
		double began = now_ms();
		int error = create(&arena, backing, 64 * TiB);

		times[i] = now_ms() - began;
		assert_int_equal(error, 0);
		after = held();
		most = after - before > most ? after - before : most;
		fallow_arena_destroy(arena);
	}
	qsort(times, NROUNDS, sizeof(times[0]), compare);
	print_message("%s, 64 TiB: %.3f ms (%.3f to %.3f), %lld KiB\n", name, times[NROUNDS / 2], times[0],
		      times[NROUNDS - 1], most / KiB);
	assert_true(times[NROUNDS / 2] < 1.0);
	assert_true(most < 1024 * KiB);
}

static void ordinary_memory(void **state)
{
	(void)state;
	measure("ordinary memory", FALLOW_BACKING_ANON);
}

static void memfd(void **state)
{
	(void)state;
	measure("memfd", FALLOW_BACKING_MEMFD);
}

static void huge_pages(void **state)
{
	(void)state;
	measure("huge pages", FALLOW_BACKING_HUGETLB);
}

static void as_many_as_fit(void **state)
{
	struct fallow_arena *arenas[MAX_ARENAS];
	size_t narenas = 0;
	int error;
	long long before;

	(void)state;
	start();
	before = held();
	while (narenas < MAX_ARENAS && (error = create(&arenas[narenas], FALLOW_BACKING_ANON, 8 * TiB)) == 0)
		narenas++;
	assert_true(narenas >= 10); /* of the 16 that 47 bits have */
	assert_true(narenas < MAX_ARENAS);
	assert_int_equal(error, -ENOMEM);
	print_message("%zu arenas of 8 TiB: %lld KiB\n", narenas, (held() - before) / KiB);
	assert_true(held() - before < (long long)narenas * 1024 * KiB);
	for (size_t i = 0; i < narenas; i++) {
		char *block = fallow_arena_malloc(arenas[i], 100);

		assert_non_null(block);
		block[99] = 'x';
	}
	while (narenas > 0)
		fallow_arena_destroy(arenas[--narenas]);
	assert_int_equal(create(&arenas[0], FALLOW_BACKING_ANON, 64 * TiB), 0);
	fallow_arena_destroy(arenas[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory),
		cmocka_unit_test(memfd),
		cmocka_unit_test(huge_pages),
		cmocka_unit_test(as_many_as_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
