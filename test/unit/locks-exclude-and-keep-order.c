/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a lock lets one thread in at a time, that those who wait sleep and are woken, that trying never waits, and
 * that debug builds trap when locks are taken out of their order.
 */
#include "os/lock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/test.h"

#define NTHREADS 4
#define NROUNDS 10000

static struct {
	struct fl_lock lock;
	unsigned long count;    /* under lock, plain on purpose */
	unsigned int ninside;   /* atomic */
	unsigned int nwaiting;  /* atomic */
	bool crowded;
} place = { .lock = FL_LOCK_INIT(FL_RANK_REGION) };

static void nap(long milliseconds)
{
	struct timespec time = { 0, milliseconds * 1000000 };

	nanosleep(&time, NULL);
}

static void *count(void *unused)
{
	for (int i = 0; i < NROUNDS; i++) {
		fl_lock_take(&place.lock);
		if (__atomic_add_fetch(&place.ninside, 1, __ATOMIC_RELAXED) != 1)
			place.crowded = true;
		place.count++;
		if (i % 64 == 0)
			sched_yield();
		__atomic_sub_fetch(&place.ninside, 1, __ATOMIC_RELAXED);
		fl_lock_put(&place.lock);
	}
	return unused;
}

static void one_at_a_time(void **state)
{
	pthread_t threads[NTHREADS];

	(void)state;
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_false(place.crowded);
	assert_int_equal(place.count, NTHREADS * NROUNDS);
	assert_int_equal(place.lock.word, 0);
}

static void *wait_for_it(void *unused)
{
	__atomic_add_fetch(&place.nwaiting, 1, __ATOMIC_RELAXED);
	fl_lock_take(&place.lock);
	place.count++;
	fl_lock_put(&place.lock);
	return unused;
}

/* The holder stays until everybody has had time to fall asleep; each is then woken by the one before. */
static void sleepers_are_woken(void **state)
{
	pthread_t threads[NTHREADS];

	(void)state;
	place.count = 0;
	fl_lock_take(&place.lock);
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_it, NULL), 0);
	while (__atomic_load_n(&place.nwaiting, __ATOMIC_RELAXED) < NTHREADS)
		nap(1);
	nap(50);
	assert_int_equal(place.count, 0);
	fl_lock_put(&place.lock);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(place.count, NTHREADS);
}

static void trying_does_not_wait(void **state)
{
	(void)state;
	assert_true(fl_lock_try(&place.lock));
	assert_false(fl_lock_try(&place.lock));
	fl_lock_put(&place.lock);
	assert_true(fl_lock_try(&place.lock));
	fl_lock_put(&place.lock);
}

#ifdef FALLOW_DEBUG

static struct fl_lock low = FL_LOCK_INIT(FL_RANK_ARENA), high = FL_LOCK_INIT(FL_RANK_META);

static void take_in_order(void)
{
	fl_lock_take(&low);
	fl_lock_take(&high);
	fl_lock_put(&low);
	fl_lock_put(&high);
	fl_lock_take(&low);
}

static void take_against_order(void)
{
	fl_lock_take(&high);
	fl_lock_take(&low);
}

/* Who does not wait cannot wait for ever. */
static void try_against_order(void)
{
	fl_lock_take(&high);
	fl_lock_try(&low);
	fl_lock_put(&low);
	fl_lock_put(&high);
}

static void put_what_is_not_held(void)
{
	fl_lock_put(&low);
}

/* Whether fn ends its process by a trap. */
static bool traps(void (*fn)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		/* cmocka would go on with the tests. */
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_order_is_kept(void **state)
{
	(void)state;
	assert_false(traps(take_in_order));
	assert_true(traps(take_against_order));
	assert_false(traps(try_against_order)); /* nobody waits */
	assert_true(traps(put_what_is_not_held));
}

#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(sleepers_are_woken),
		cmocka_unit_test(trying_does_not_wait),
#ifdef FALLOW_DEBUG
		cmocka_unit_test(the_order_is_kept),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
