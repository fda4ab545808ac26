/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contended half of the mutex, and the rank check of debug builds.
 */
#include "os/lock.h"

#include <errno.h>

#include "os/os.h"

/* Critical sections are short: a holder that runs is done before a sleep would have begun. */
#define SPINS 100

void fl_lock_contended(struct fl_lock *lock)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t unlocked = 0;
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
		    __atomic_compare_exchange_n(&lock->word, &unlocked, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
	void (*mend)(void) = __atomic_load_n(&fl_lock_stuck, __ATOMIC_ACQUIRE);
	if (mend)
		mend();
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
		fl_os_futex_wait(&lock->word, 2);
}

int fl_lock_take_within(struct fl_lock *lock, unsigned int milliseconds)
{
	uint32_t nobody = 0;

	while (!fl_lock_try(lock)) {
		if (milliseconds-- == 0)
			return -EBUSY;
		fl_os_futex_wait_for(&nobody, 0, 1);
	}
	return 0;
}

void fl_lock_wake(struct fl_lock *lock)
{
	fl_os_futex_wake(&lock->word, 1);
}

void (*fl_lock_stuck)(void);

#ifdef FALLOW_DEBUG

/* Locks held by this thread, counted by rank. */
static __thread uint8_t held[FL_NRANKS] FL_PURE_TLS;

void fl_lock_rank_check(uint32_t rank)
{
	for (uint32_t higher = rank + 1; higher < FL_NRANKS; higher++)
		fl_assert(held[higher] == 0);
}

void fl_lock_rank_enter(uint32_t rank)
{
	held[rank]++;
}

void fl_lock_rank_leave(uint32_t rank)
{
	fl_assert(held[rank] > 0);
	held[rank]--;
}

#endif
