/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the counters follow what a program does, that an arena's agree with the sum of all, that reasons have
 * texts and failures are kept for the thread that met them, and that both formats are written without allocating, with
 * the same counters in both. As `stats FORMAT` it only writes them, for stats-json.sh.
 */
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>
#include <fallow/stats.h>

#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)

static struct fallow_stats stats_now(void)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;

	assert_int_equal(fallow_stats_read(&stats), 0);
	return stats;
}

static struct fallow_arena *create(size_t limit)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.limit = limit;
	options.decay_ms = FALLOW_DECAY_NEVER;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static void counters_follow(void **state)
{
	struct fallow_stats before, during, idle, after;
	struct fallow_arena *arena;
	void *large, *small[1000];

	(void)state;
	fallow_free(fallow_malloc(1));
	before = stats_now();
	arena = create(64 * MiB);
	large = fallow_arena_malloc(arena, 8 * MiB);
	assert_non_null(large);
	for (int i = 0; i < 1000; i++) {
		small[i] = fallow_arena_malloc(arena, 200);
		assert_non_null(small[i]);
	}
	during = stats_now();
	assert_true(during.narenas == before.narenas + 1);
	assert_true(during.nlarge == before.nlarge + 1);
	assert_true(during.large >= before.large + 8 * MiB);
	assert_true(during.nslabs > before.nslabs);
	assert_true(during.taken >= before.taken + 8 * MiB + 1000 * 200);
	assert_true(during.populated >= during.taken || during.populated >= before.populated + 8 * MiB);
	assert_true(during.npopulates > before.npopulates);
	assert_true(during.metadata > 0);
	assert_true(during.ncaches > 0);
	assert_null(fallow_arena_malloc(arena, 100 * MiB));
	assert_true(stats_now().nfailures == during.nfailures + 1);
	fallow_arena_free(arena, large);
	idle = stats_now();
	assert_true(idle.nlarge == before.nlarge);
	assert_true(idle.large == before.large);
	assert_true(idle.idle >= before.idle + 8 * MiB);
	for (int i = 0; i < 1000; i++)
		fallow_arena_free(arena, small[i]);
	assert_int_equal(fallow_arena_trim(arena, NULL), 0);
	assert_true(stats_now().ndiscards > before.ndiscards);
	fallow_arena_destroy(arena);
	after = stats_now();
	assert_true(after.narenas == before.narenas);
	assert_true(after.taken <= before.taken);
}

static void struct_sizes(void **state)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;

	(void)state;
	stats.size = 0;
	assert_int_equal(fallow_stats_read(&stats), -EINVAL);
	stats.size = sizeof(stats) + 8;
	assert_int_equal(fallow_stats_read(&stats), -EINVAL);
	stats.size = sizeof(stats);
	assert_int_equal(fallow_stats_read(&stats), 0);
	assert_int_equal(stats.size, sizeof(stats));
}

static void reasons_have_texts(void **state)
{
	(void)state;
	for (int reason = FALLOW_REASON_NONE; reason <= FALLOW_REASON_FAULT; reason++) {
		const char *text = fallow_reason_text((enum fallow_reason)reason);

		assert_non_null(text);
		assert_true(text[0] != '\0' && strlen(text) < 64);
		for (int other = FALLOW_REASON_NONE; other < reason; other++)
			assert_string_not_equal(text, fallow_reason_text((enum fallow_reason)other));
	}
	assert_non_null(fallow_reason_text((enum fallow_reason)99));
}

static void *fail_in_a_thread(void *argument)
{
	struct fallow_failure failure;

	/* Nothing has failed here yet, whatever failed elsewhere. */
	if (fallow_last_failure(&failure) != 0 || failure.reason != FALLOW_REASON_NONE)
		return NULL;
	if (fallow_arena_malloc(argument, 3 * MiB) != NULL)
		return NULL;
	if (fallow_last_failure(&failure) != 0 || failure.reason != FALLOW_REASON_ARENA_LIMIT)
		return NULL;
	return argument;
}

static void failures_are_kept_by_thread(void **state)
{
	struct fallow_arena *arena = create(2 * MiB);
	volatile size_t too_large = SIZE_MAX;
	struct fallow_failure failure;
	struct timespec now;
	uint64_t began;
	pthread_t thread;
	void *result;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &now);
	began = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	assert_null(fallow_arena_malloc(arena, too_large));
	assert_int_equal(pthread_create(&thread, NULL, fail_in_a_thread, arena), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, arena);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
	assert_true(failure.requested == too_large);
	assert_int_equal(failure.error, 0);
	/* The clock may be one that moves in ticks. */
	assert_true(failure.time_ms + 20 >= began && failure.time_ms <= began + 60000);
	/* What succeeds does not hide what failed. */
	assert_non_null(fallow_arena_malloc(arena, 100));
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
	fallow_arena_destroy(arena);
}

static void failures_of_all_threads_are_listed(void **state)
{
	struct fallow_failure_record records[FALLOW_NFAILURES + 1];
	struct fallow_arena *arena = create(2 * MiB);
	uint64_t before = stats_now().nfailures;
	pthread_t thread;

	(void)state;
	/* Taken whole, so that nothing is left below the limit. */
	assert_non_null(fallow_arena_malloc(arena, MiB));
	for (size_t i = 1; i <= FALLOW_NFAILURES + 4; i++)
		assert_null(fallow_arena_malloc(arena, 4 * MiB + i));
	assert_int_equal(pthread_create(&thread, NULL, fail_in_a_thread, arena), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(fallow_failures(records, FALLOW_NFAILURES + 1), FALLOW_NFAILURES);
	assert_int_equal(records[0].requested, 3 * MiB);
	for (size_t i = 0; i < FALLOW_NFAILURES; i++) {
		assert_int_equal(records[i].number, before + FALLOW_NFAILURES + 5 - i);
		assert_int_equal(records[i].reason, FALLOW_REASON_ARENA_LIMIT);
		assert_int_equal(records[i].headroom, MiB);
		if (i > 0) {
			assert_int_equal(records[i].requested, 4 * MiB + FALLOW_NFAILURES + 5 - i);
			assert_true(records[i].time_ms <= records[i - 1].time_ms);
		}
	}
	assert_int_equal(fallow_failures(records, 1), 1);
	assert_int_equal(records[0].requested, 3 * MiB);
	assert_int_equal(fallow_failures(NULL, 0), 0);
	fallow_arena_destroy(arena);
}

struct failing {
	struct fallow_arena *arena;
	size_t requested;
	bool stop; /* atomic */
};

static void *fail_until_told(void *argument)
{
	struct failing *failing = argument;

	while (!__atomic_load_n(&failing->stop, __ATOMIC_RELAXED))
		if (fallow_arena_malloc(failing->arena, failing->requested) != NULL)
			return NULL;
	return argument;
}

/* What was asked for and what was left belong together: no record is of two failures. */
static void records_are_whole_while_threads_fail(void **state)
{
	struct failing failing[] = { { create(MiB), 3 * MiB, false }, { create(2 * MiB), 5 * MiB, false } };
	struct fallow_failure_record records[FALLOW_NFAILURES];
	uint64_t before = stats_now().nfailures, latest = before;
	pthread_t threads[2];
	void *result;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fail_until_told, &failing[i]), 0);
	while (latest < before + 300000) {
		size_t n = fallow_failures(records, 2);
		latest = n > 0 ? records[0].number : latest;
		for (size_t i = 0; i < n && records[i].number > before; i++)
			if (records[i].requested != (records[i].headroom == MiB ? 3 : 5) * MiB)
				fail_msg("%zu bytes with %lu left", records[i].requested, (unsigned long)records[i].headroom);
	}
	for (int i = 0; i < 2; i++) {
		__atomic_store_n(&failing[i].stop, true, __ATOMIC_RELAXED);
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &failing[i]);
		fallow_arena_destroy(failing[i].arena);
	}
}

static size_t written(enum fallow_stats_format format, char *text, size_t length)
{
	int fd = memfd_create("stats", 0);
	ssize_t got;

	assert_int_equal(fallow_stats_write(fd, format), 0);
	got = pread(fd, text, length - 1, 0);
	close(fd);
	assert_true(got > 0 && (size_t)got < length - 1);
	text[got] = '\0';
	return (size_t)got;
}

static void both_formats_have_every_counter(void **state)
{
	static const char *const counters[] = {
		"taken", "populated", "idle", "spilled", "metadata", "large", "nlarge", "nslabs", "npopulates", "ndiscards",
		"nfailures", "narenas", "ncaches",
	};
	static char text[65536], json[65536];
	size_t length = written(FALLOW_STATS_TEXT, text, sizeof(text));
	uint64_t npopulates = stats_now().npopulates;

	(void)state;
	written(FALLOW_STATS_JSON, json, sizeof(json));
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		char quoted[32];

		snprintf(quoted, sizeof(quoted), "\"%s\"", counters[i]);
		if (strstr(json, quoted) == NULL)
			fail_msg("the JSON has no %s", quoted);
	}
	assert_int_equal(text[length - 1], '\n');
	for (size_t i = 0; i < length; i++)
		assert_true(isprint((unsigned char)text[i]) || text[i] == '\n' || text[i] == '\t');
	assert_true(stats_now().npopulates == npopulates);
}

static void what_cannot_be_written_is_said(void **state)
{
	int closed = dup(0), ends[2];

	(void)state;
	close(closed);
	assert_int_equal(fallow_stats_write(closed, FALLOW_STATS_TEXT), -EBADF);
	assert_int_equal(fallow_stats_write(closed, FALLOW_STATS_JSON), -EBADF);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fallow_stats_write(ends[0], FALLOW_STATS_TEXT), -EBADF);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(fallow_stats_write(1, (enum fallow_stats_format)99), -EINVAL);
}

/* For stats-json.sh: something to count, then the counters on stdout. */
static int write_only(const char *format)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.limit = MiB;
	options.name = "quote\" backslash\\ and a tab\t";
	if (fallow_arena_create(&options, &arena) != 0 || fallow_arena_malloc(arena, 100) == NULL ||
	    fallow_arena_malloc(arena, 2 * MiB) != NULL || fallow_malloc(100) == NULL)
		return 1;
	return fallow_stats_write(STDOUT_FILENO, strcmp(format, "json") == 0 ? FALLOW_STATS_JSON : FALLOW_STATS_TEXT) != 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_follow),
		cmocka_unit_test(struct_sizes),
		cmocka_unit_test(reasons_have_texts),
		cmocka_unit_test(failures_are_kept_by_thread),
		cmocka_unit_test(failures_of_all_threads_are_listed),
		cmocka_unit_test(records_are_whole_while_threads_fail),
		cmocka_unit_test(both_formats_have_every_counter),
		cmocka_unit_test(what_cannot_be_written_is_said),
	};

	if (argc > 1)
		return write_only(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
