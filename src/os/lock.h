/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mutex of one word: zeroed is unlocked, uncontended it costs one atomic exchange, contended it sleeps in a futex.
 * Usable before libc's threads are, and in a child after fork by writing fl_lock_init() over it.
 *
 * The algorithm is the second of U. Drepper, "Futexes Are Tricky" (2011): 0 free, 1 held, 2 held with waiters.
 *
 * Locks are taken in the order of enum fl_lock_rank, lowest first; debug builds trap on any other. Trying may be done in
 * any order.
 *
 * Nobody takes locks for a fork. A child puts back what it found held (fl_lock_init) and mends what its holder had begun;
 * that is done by its atfork handler, or before, when a handler of the program's that runs earlier meets a held lock.
 */
#ifndef FL_OS_LOCK_H
#define FL_OS_LOCK_H

#include "base/base.h"

enum fl_lock_rank {
	FL_RANK_START,    /* starting the heap */
	FL_RANK_JEMALLOC_PAGES, /* which of these pages have memory */
	FL_RANK_FORK,     /* those that have private huge pages */
	FL_RANK_DECAY,    /* the helper at work */
	FL_RANK_ARENAS,   /* the list of arenas */
	FL_RANK_POOLS,    /* pools and their arenas' count */
	FL_RANK_JEMALLOC, /* what jemalloc has of a map or pool */
	FL_RANK_MAPS,     /* the list of maps */
	FL_RANK_GUARD,    /* making a map's holes loud */
	FL_RANK_RANGES,   /* who works on which ranges of a map */
	FL_RANK_SNAPSHOT, /* one snapshot's pages that are yet to be copied */
	FL_RANK_MAP,      /* one map's pages and counts */
	FL_RANK_SHARED,   /* using an arena's shared cache */
	FL_RANK_ARENA,    /* one arena's caches */
	FL_RANK_CACHE,    /* one cache of an explicit arena */
	FL_RANK_DEPOT,    /* slabs of one class of a hardened arena */
	FL_RANK_SPILL,    /* making a spill region */
	FL_RANK_IDS,      /* of caches */
	FL_RANK_POPULATE, /* bringing in pages larger than a granule */
	FL_RANK_GATE,     /* the gate, where it is narrow */
	FL_RANK_REGION,   /* one region's extents */
	FL_RANK_REGISTRY, /* the list of regions */
	FL_RANK_META,     /* metadata */
	FL_NRANKS,
};

struct fl_lock {
	uint32_t word;
	uint32_t rank; /* enum fl_lock_rank */
};

#define FL_LOCK_INIT(lock_rank) { 0, lock_rank }

void fl_lock_contended(struct fl_lock *lock) FL_COLD;
void fl_lock_wake(struct fl_lock *lock) FL_COLD;

/* Asked before a thread sleeps: mends a child of fork, if this is one that nobody has mended yet. */
extern void (*fl_lock_stuck)(void); /* atomic */

#ifdef FALLOW_DEBUG
void fl_lock_rank_check(uint32_t rank);
void fl_lock_rank_enter(uint32_t rank);
void fl_lock_rank_leave(uint32_t rank);
#else
static inline void fl_lock_rank_check(uint32_t rank)
{
	(void)rank;
}
static inline void fl_lock_rank_enter(uint32_t rank)
{
	(void)rank;
}
static inline void fl_lock_rank_leave(uint32_t rank)
{
	(void)rank;
}
#endif

static inline void fl_lock_init(struct fl_lock *lock, enum fl_lock_rank rank)
{
	lock->rank = rank;
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

static inline void fl_lock_take(struct fl_lock *lock)
{
	uint32_t unlocked = 0;

	fl_lock_rank_check(lock->rank);
	fl_lock_rank_enter(lock->rank);
	if (fl_unlikely(!__atomic_compare_exchange_n(&lock->word, &unlocked, 1, false, __ATOMIC_ACQUIRE,
						     __ATOMIC_RELAXED)))
		fl_lock_contended(lock);
}

static inline bool fl_lock_try(struct fl_lock *lock)
{
	uint32_t unlocked = 0;

	if (!__atomic_compare_exchange_n(&lock->word, &unlocked, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	fl_lock_rank_enter(lock->rank);
	return true;
}

/* For those who may have interrupted the holder: 0, or -EBUSY when it does not put the lock for so long. */
int fl_lock_take_within(struct fl_lock *lock, unsigned int milliseconds);

static inline void fl_lock_put(struct fl_lock *lock)
{
	if (fl_unlikely(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2))
		fl_lock_wake(lock);
	fl_lock_rank_leave(lock->rank);
}

#endif
