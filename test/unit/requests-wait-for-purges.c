/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a request which finds that everything idle is in the hands of another thread's purge is not refused, but
 * waits for the purge: at the end of address space, at a region's limit, and on a full tmpfs. What a purge does not give
 * back is refused afterwards.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "diag/options.h"
#include "extent/extent.h"
#include "os/kernel.h"
#include "os/os.h"
#include "test/lib/lives.h"

#define LENGTH (8 * FL_MIB)
#define NGRANULES (LENGTH >> FL_GRANULE_SHIFT)

/* How long a discard of the purging thread takes: much longer than a request does to fail. */
#define SLOWNESS_MS 200

static __thread bool is_purger;
static bool in_hand; /* atomic */

static void nap(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int slow_down(enum fl_os_call call, int detail)
{
	if (is_purger && call == FL_OS_MADVISE && (detail == MADV_DONTNEED || detail == MADV_REMOVE)) {
		__atomic_store_n(&in_hand, true, __ATOMIC_RELEASE);
		nap(SLOWNESS_MS);
	}
	return 0;
}

static void *purge(void *region)
{
	is_purger = true;
	fl_extent_purge(region, FL_PURGE_ALL);
	return NULL;
}

static struct fl_failure request(struct fl_region *region, size_t n, size_t *granule)
{
	bool zero;
	struct fl_failure failure = fl_extent_take(region, n, 1, granule);

	if (failure.reason == FALLOW_REASON_NONE) {
		failure = fl_extent_populate(region, *granule, n, FL_USE_UNKNOWN, &zero);
		if (failure.reason == FALLOW_REASON_NONE)
			memset(fl_granule_address(region, *granule), 0xa5, n << FL_GRANULE_SHIFT);
		else
			fl_extent_put(region, *granule, n, 0);
	}
	return failure;
}

/* Where there is room for NGRANULES, and no more. */
static void request_while_purging(const struct fl_region_options *options, size_t more)
{
	struct fl_region *region;
	size_t granule, kept;
	pthread_t thread;

	must_equal(fl_region_create(options, &region), 0);
	must_equal(request(region, NGRANULES, &granule).reason, FALLOW_REASON_NONE);
	fl_extent_put(region, granule, NGRANULES, NGRANULES);
	in_hand = false;
	fl_os_fault = slow_down;
	must_equal(pthread_create(&thread, NULL, purge, region), 0);
	while (!__atomic_load_n(&in_hand, __ATOMIC_ACQUIRE))
		nap(1);
	must_equal(request(region, NGRANULES, &kept).reason, FALLOW_REASON_NONE);
	pthread_join(thread, NULL);
	must(request(region, more, &granule).reason != FALLOW_REASON_NONE);
	fl_os_fault = NULL;
	fl_extent_put(region, kept, NGRANULES, NGRANULES);
	fl_region_destroy(region);
}

static void at_the_end_of_address_space(void **state)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 },
		.reserve = LENGTH, .decay = FL_DECAY_NEVER,
	};

	(void)state;
	request_while_purging(&options, 1);
}

static void at_the_limit(void **state)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_MEMFD, .fd = -1, .node = -1 },
		.reserve = 8 * LENGTH, .limit = LENGTH, .decay = FL_DECAY_NEVER,
	};

	(void)state;
	request_while_purging(&options, 1);
}

static void fill_tmpfs(void *unused)
{
	struct fl_region_options options = {
		.backing = {
			.kind = FALLOW_BACKING_FILE, .own_fd = true, .node = -1,
			.fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600),
		},
		.reserve = 8 * LENGTH, .decay = FL_DECAY_NEVER,
	};

	(void)unused;
	request_while_purging(&options, NGRANULES / 2);
}

static void on_a_full_tmpfs(void **state)
{
	struct place place = { .tmpfs = LENGTH + LENGTH / 4 };

	(void)state;
	assert_lives(&place, fill_tmpfs, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_end_of_address_space),
		cmocka_unit_test(at_the_limit),
		cmocka_unit_test(on_a_full_tmpfs),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
