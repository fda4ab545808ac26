/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a map of 64 TiB, on every backing that takes so much, with a guard and without, is created in less than 1
 * ms and costs less than 1 MiB, that pages at its far ends can be had, and that discarding all of it takes no time to
 * speak of.
 */
#include <signal.h>
#include <time.h>

#include "test/api/map-kinds.h"
#include "test/lib/machine.h"

#define TiB ((size_t)1 << 40)
#define MiB ((size_t)1 << 20)
#define NROUNDS 9

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Bytes of memory and of page tables. */
static long long held(void)
{
	return 1024LL * (test_machine_field("/proc/self/smaps_rollup", "Rss:") + test_machine_field("/proc/self/status", "VmPTE:"));
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

static void measure(enum fallow_backing backing, enum fallow_guard guard)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	double times[NROUNDS], discarding = 0;
	long long most = 0;

	options.backing = backing;
	options.guard = guard;
	options.length = 64 * TiB;
	for (int i = 0; i < NROUNDS; i++) {
		long long before = held();
		double began = now_ms();
		struct fallow_map *map = map_create(&options);

		times[i] = now_ms() - began;
		most = held() - before > most ? held() - before : most;
		for (size_t offset = 0; backing != FALLOW_BACKING_HUGETLB && offset < 64 * TiB; offset += 21 * TiB) {
			assert_int_equal(fallow_map_populate(map, offset, MiB, FALLOW_POPULATE_WRITE), 0);
			memset((char *)fallow_map_base(map) + offset, 'x', MiB);
		}
		began = now_ms();
		assert_int_equal(fallow_map_discard(map, 0, 64 * TiB), 0);
		discarding = now_ms() - began > discarding ? now_ms() - began : discarding;
		assert_int_equal(map_populated(map), 0);
		fallow_map_destroy(map);
	}
	qsort(times, NROUNDS, sizeof(times[0]), compare);
	print_message("backing %d, guard %d: %.3f ms, %lld KiB; discarded in %.3f ms\n", backing, guard, times[NROUNDS / 2],
		      most / 1024, discarding);
	assert_true(times[NROUNDS / 2] < 1.0);
	assert_true(most < (long long)MiB);
	assert_true(discarding < 1000);
}

static void every_backing(void **state)
{
	static const enum fallow_backing backings[] = { FALLOW_BACKING_ANON, FALLOW_BACKING_MEMFD, FALLOW_BACKING_HUGETLB };

	(void)state;
	for (size_t i = 0; i < sizeof(backings) / sizeof(backings[0]); i++) {
		measure(backings[i], FALLOW_GUARD_NONE);
		measure(backings[i], FALLOW_GUARD_TRAP);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(every_backing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
