/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper thread.
 */
#include "extent/decay.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>

#include "diag/options.h"
#include "diag/valgrind.h"
#include "extent/extent.h"
#include "os/kernel.h"
#include "os/os.h"

#define STACK_SIZE (128 * FL_KIB)
#define DESERVES (128 * FL_MIB >> FL_GRANULE_SHIFT)
#define DESERVES_THREADED (4 * FL_MIB >> FL_GRANULE_SHIFT)

#define FOREVER UINT64_MAX

/* Milliseconds between looks at whether any thread of the program is left, once its first has ended. */
#define PATIENCE_LEAST 1
#define PATIENCE_MOST 512

/* libc's word on whether there were ever several threads; older ones do not say. */
extern char __libc_single_threaded __attribute__((weak));

enum state {
	ABSENT,
	RUNNING,
	REFUSED, /* could not be started: not tried again in this process */
};

static struct {
	struct fl_lock lock; /* held by the helper while it touches regions */
	enum state state;    /* atomic */
	uint32_t wakeups;    /* atomic; a futex */
	fl_decay_hook *hook; /* atomic */
	bool first_ended;    /* atomic: the process's first thread is ending, or has */
} helper = { .lock = FL_LOCK_INIT(FL_RANK_DECAY) };

/* Purge what is due. Returns when to look again, 0: nothing is idle. */
static uint64_t purge_due(void)
{
	uint64_t next = 0;

	fl_lock_take(&helper.lock);
	for (struct fl_region *region = NULL; (region = fl_region_next(region)) != NULL;) {
		uint64_t at = __atomic_load_n(&region->purge_at, __ATOMIC_RELAXED);
		if (at != 0 && at <= fl_os_clock_ms()) {
			fl_extent_purge(region, FL_PURGE_EXPIRED);
			at = __atomic_load_n(&region->purge_at, __ATOMIC_RELAXED);
		}
		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	fl_lock_put(&helper.lock);
	return next;
}

/* Threads of the process, its first one included even when that has ended. 0: not known. */
static size_t count_threads(void)
{
	struct stat tasks;
	int fd = fl_os_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return 0;
	int result = fl_os_fstat(fd, &tasks);
	fl_os_close(fd);
	return result == 0 ? tasks.st_nlink - 2 : 0;
}

/* A process whose first thread has ended ends with the last of the others: the helper is none of them. */
static bool is_last(void)
{
	return __atomic_load_n(&helper.first_ended, __ATOMIC_ACQUIRE) && count_threads() <= 2;
}

/* Do what is due. Milliseconds until there is more to do, FOREVER: until somebody says so. */
static uint64_t work(void)
{
	fl_decay_hook *hook = __atomic_load_n(&helper.hook, __ATOMIC_ACQUIRE);

	fl_lock_take(&helper.lock);
	uint64_t look = hook ? hook(fl_os_clock_ms()) : 0;
	fl_lock_put(&helper.lock);
	uint64_t next = purge_due(), now = fl_os_clock_ms();
	if (look != 0 && (next == 0 || look < next))
		next = look;
	if (next == 0)
		return FOREVER;
	return next > now ? next - now + 1 : 0;
}

static void *run(void *unused)
{
	uint64_t patience = PATIENCE_LEAST;

	fl_fork_count_own_thread(1);
	while (!is_last()) {
		uint32_t wakeups = __atomic_load_n(&helper.wakeups, __ATOMIC_ACQUIRE);
		uint64_t wait = work();
		if (__atomic_load_n(&helper.first_ended, __ATOMIC_ACQUIRE)) {
			wait = fl_min(wait, patience);
			patience = fl_min(2 * patience, PATIENCE_MOST);
		}
		if (wait == FOREVER)
			fl_os_futex_wait(&helper.wakeups, wakeups);
		else if (wait != 0)
			fl_os_futex_wait_for(&helper.wakeups, wakeups, wait);
		if (__atomic_load_n(&helper.wakeups, __ATOMIC_RELAXED) != wakeups)
			patience = PATIENCE_LEAST;
	}
	fl_fork_count_own_thread(-1);
	__atomic_store_n(&helper.state, ABSENT, __ATOMIC_RELEASE);
	return unused;
}

static int create(size_t stack_size)
{
	pthread_t thread;
	pthread_attr_t attributes;
	sigset_t all, old;

	if (pthread_attr_init(&attributes) != 0)
		return -1;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (stack_size != 0)
		pthread_attr_setstacksize(&attributes, stack_size);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int result = pthread_create(&thread, &attributes, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return result;
}

void fl_decay_start(void)
{
	enum state absent = ABSENT;

	if (fl_likely(__atomic_load_n(&helper.state, __ATOMIC_RELAXED) != ABSENT))
		return;
	/* Its thread would be one more for Valgrind to judge. */
	if (fl_unlikely(fl_valgrind_watches))
		return;
	if (!__atomic_compare_exchange_n(&helper.state, &absent, RUNNING, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	/* A program with much static thread-local storage needs more than the small stack. */
	if (create(STACK_SIZE) != 0 && create(0) != 0)
		__atomic_store_n(&helper.state, REFUSED, __ATOMIC_RELEASE);
}

void fl_decay_set_hook(fl_decay_hook *hook)
{
	__atomic_store_n(&helper.hook, hook, __ATOMIC_RELEASE);
}

void fl_decay_consider(const struct fl_region *one, const struct fl_region *other)
{
	size_t frontier = __atomic_load_n(&one->frontier, __ATOMIC_RELAXED) +
			  __atomic_load_n(&other->frontier, __ATOMIC_RELAXED);

	/* Huge pages are others' to wait for: they are given back however few there are. */
	if (fl_likely(frontier < DESERVES_THREADED && one->page_granules == 1) || __atomic_load_n(&helper.state, __ATOMIC_RELAXED) != ABSENT)
		return;
	bool threaded = &__libc_single_threaded != NULL && !__libc_single_threaded;
	if (one->decay != FL_DECAY_NEVER && (threaded || one->page_granules > 1 || frontier >= DESERVES))
		fl_decay_start();
}

void fl_decay_wake(void)
{
	if (__atomic_load_n(&helper.state, __ATOMIC_RELAXED) != RUNNING)
		return;
	__atomic_add_fetch(&helper.wakeups, 1, __ATOMIC_RELEASE);
	fl_os_futex_wake(&helper.wakeups, 1);
}

void fl_decay_thread_ends(void)
{
	if (fl_os_is_first_thread())
		__atomic_store_n(&helper.first_ended, true, __ATOMIC_RELEASE);
	if (__atomic_load_n(&helper.first_ended, __ATOMIC_RELAXED))
		fl_decay_wake();
}

size_t fl_decay_purge_all(void)
{
	size_t bytes = 0;

	/* Held so that no region goes meanwhile; the caller has locks that come later. */
	if (!fl_lock_try(&helper.lock))
		return 0;
	for (struct fl_region *region = NULL; (region = fl_region_next(region)) != NULL;)
		bytes += fl_extent_purge(region, FL_PURGE_ALL);
	fl_lock_put(&helper.lock);
	return bytes;
}

void fl_decay_pause(void)
{
	fl_lock_take(&helper.lock);
}

void fl_decay_resume(void)
{
	fl_lock_put(&helper.lock);
}

void fl_decay_fork_child(void)
{
	fl_lock_init(&helper.lock, FL_RANK_DECAY);
	helper.state = ABSENT;
	helper.first_ended = false;
}
