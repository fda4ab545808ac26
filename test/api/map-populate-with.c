/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a populate by several threads brings in its range and reports progress that only grows and ends at the
 * whole, in the thread that called; that cancelling at any report leaves residency as it was; and that it ends in time
 * when it is told to use more threads than there is work for.
 */
#include <errno.h>
#include <pthread.h>

#include "test/api/map-kinds.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (64 * MiB)

struct watch {
	pthread_t caller;
	size_t done;
	size_t total;
	size_t nreports;
	size_t cancel_at; /* the report that says no; 0: none */
	bool wrong;
};

static bool watch(struct fallow_map *map, size_t done, size_t total, void *context)
{
	struct watch *watch = context;

	watch->wrong = watch->wrong || map == NULL || done < watch->done || done > total ||
		       !pthread_equal(watch->caller, pthread_self());
	watch->done = done;
	watch->total = total;
	return ++watch->nreports != watch->cancel_at;
}

static struct fallow_populate_options with(struct watch *context, unsigned int nthreads)
{
	struct fallow_populate_options options = FALLOW_POPULATE_OPTIONS_INIT;

	*context = (struct watch){ .caller = pthread_self() };
	options.nthreads = nthreads;
	options.progress = watch;
	options.context = context;
	return options;
}

static size_t resident(struct fallow_map *map)
{
	struct fallow_map_range ranges[8];
	size_t n = 8, length = 0;

	assert_int_equal(fallow_map_residency(map, 0, LENGTH, ranges, &n), 0);
	for (size_t i = 0; i < n; i++)
		length += ranges[i].length;
	return length;
}

static void brings_in_with(struct fallow_map *map, unsigned int nthreads)
{
	struct watch context;
	struct fallow_populate_options options = with(&context, nthreads);

	assert_int_equal(fallow_map_populate_with(map, 0, LENGTH, &options), 0);
	assert_false(context.wrong);
	assert_int_equal(context.done, LENGTH);
	assert_int_equal(context.total, LENGTH);
	assert_int_equal(resident(map), LENGTH);
	assert_int_equal(map_populated(map), LENGTH);
	assert_int_equal(fallow_map_discard(map, 0, LENGTH), 0);
}

static void cancels_at(struct fallow_map *map, unsigned int nthreads, size_t report)
{
	struct watch context;
	struct fallow_populate_options options = with(&context, nthreads);

	context.cancel_at = report;
	assert_int_equal(fallow_map_populate(map, 8 * MiB, MiB, FALLOW_POPULATE_WRITE), 0);
	memset((char *)fallow_map_base(map) + 8 * MiB, 'k', MiB);
	assert_int_equal(fallow_map_populate_with(map, 0, LENGTH, &options), -ECANCELED);
	assert_int_equal(context.nreports, report);
	assert_int_equal(resident(map), MiB);
	assert_int_equal(map_populated(map), MiB);
	assert_true(map_reads((char *)fallow_map_base(map) + 8 * MiB, MiB, 'k'));
	assert_int_equal(fallow_map_discard(map, 0, LENGTH), 0);
}

static void crews(void **state)
{
	static const unsigned int nthreads[] = { 0, 1, 2, 5, 1000 };

	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		/* On an ordinary disk this would be about the disk. */
		if (map_kinds[i].backing == FALLOW_BACKING_FILE && !map_kinds[i].on_tmpfs)
			continue;
		struct fallow_map_options options = map_options(&map_kinds[i], LENGTH);
		struct fallow_map *map = map_create(&options);

		for (size_t j = 0; j < sizeof(nthreads) / sizeof(nthreads[0]); j++) {
			brings_in_with(map, nthreads[j]);
			cancels_at(map, nthreads[j], 1);
		}
		/* With one thread a report comes for each piece: the last is the whole. */
		cancels_at(map, 1, 7);
		cancels_at(map, 1, 16);
		map_end(map, &options);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(crews) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
