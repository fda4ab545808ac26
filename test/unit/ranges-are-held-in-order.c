/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that ranges which overlap are held one after the other, those that do not side by side, that whoever wants all
 * waits for everybody and is not overtaken, and that company is noticed by both.
 */
#include "map/range.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "test/lib/test.h"
#include "test/unit/random.h"

#define NPAGES 64
#define NTHREADS 4
#define NROUNDS 2000

static struct fl_range_lock lock;
static unsigned int holders[NPAGES]; /* atomic: who is on each page */
static bool crowded;                 /* atomic */

static void *work(void *seed)
{
	uint64_t random = (uintptr_t)seed;

	for (int i = 0; i < NROUNDS; i++) {
		size_t first = random_below(&random, NPAGES), end = first + 1 + random_below(&random, NPAGES - first);
		struct fl_range range;

		fl_range_take(&lock, &range, first, i % 50 == 0 ? SIZE_MAX : end);
		for (size_t page = first; page < end; page++) {
			if (__atomic_add_fetch(&holders[page], 1, __ATOMIC_RELAXED) != 1)
				__atomic_store_n(&crowded, true, __ATOMIC_RELAXED);
		}
		for (size_t page = first; page < end; page++)
			__atomic_sub_fetch(&holders[page], 1, __ATOMIC_RELAXED);
		fl_range_put(&lock, &range);
	}
	return NULL;
}

static void never_two_on_a_page(void **state)
{
	pthread_t threads[NTHREADS];

	(void)state;
	fl_range_lock_init(&lock);
	for (uintptr_t i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(SEED + i)), 0);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_false(crowded);
	assert_null(lock.ranges);
}

static void those_apart_go_side_by_side(void **state)
{
	struct fl_range one, other, third;

	(void)state;
	fl_range_lock_init(&lock);
	fl_range_take(&lock, &one, 0, 10);
	assert_false(one.accompanied);
	fl_range_take(&lock, &other, 10, 20);
	assert_true(one.accompanied);
	assert_true(other.accompanied);
	fl_range_put(&lock, &one);
	fl_range_put(&lock, &other);
	fl_range_take(&lock, &third, 0, SIZE_MAX);
	assert_false(third.accompanied);
	fl_range_put(&lock, &third);
}

static unsigned int order[2], norder; /* under the range lock */

static void nap(void)
{
	struct timespec time = { 0, 50000000 };

	nanosleep(&time, NULL);
}

static void *take_all(void *unused)
{
	struct fl_range range;

	fl_range_take(&lock, &range, 0, SIZE_MAX);
	order[norder++] = 1;
	fl_range_put(&lock, &range);
	return unused;
}

static void *take_first(void *unused)
{
	struct fl_range range;

	fl_range_take(&lock, &range, 0, 1);
	order[norder++] = 2;
	fl_range_put(&lock, &range);
	return unused;
}

/* The second waits for the first although nobody holds what it wants. */
static void nobody_is_overtaken(void **state)
{
	pthread_t first, second;
	struct fl_range held;

	(void)state;
	fl_range_lock_init(&lock);
	fl_range_take(&lock, &held, 5, 6);
	assert_int_equal(pthread_create(&first, NULL, take_all, NULL), 0);
	nap();
	assert_int_equal(pthread_create(&second, NULL, take_first, NULL), 0);
	nap();
	assert_int_equal(norder, 0);
	fl_range_put(&lock, &held);
	pthread_join(first, NULL);
	pthread_join(second, NULL);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_two_on_a_page),
		cmocka_unit_test(those_apart_go_side_by_side),
		cmocka_unit_test(nobody_is_overtaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
