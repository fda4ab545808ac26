/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the process heap.
 */
#include "cache/start.h"

#include <pthread.h>
#include <unistd.h>

#include "backing/fork.h"
#include "cache/depot.h"
#include "cache/live.h"
#include "cache/threads.h"
#include "diag/message.h"
#include "diag/options.h"
#include "diag/valgrind.h"
#include "extent/decay.h"
#include "gate/gate.h"
#include "meta/claim.h"
#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"
#include "pool/pool.h"

/* Bytes from which on slabs get huge pages. */
#define SLABS_HUGE_FROM (32 * FL_MIB)

enum state {
	NOT_STARTED,
	READY,
};

static struct {
	struct fl_lock lock;
	enum state state; /* atomic */
	struct fallow_arena arena;
} heap = { .lock = FL_LOCK_INIT(FL_RANK_START) };

static enum fallow_populate populate_mode(void)
{
	bool huge = fl_options.backing == FALLOW_BACKING_HUGETLB;

	switch (fl_options.populate) {
	case FL_OPTION_POPULATE_STRICT:
		return FALLOW_POPULATE_WRITE;
	case FL_OPTION_POPULATE_LAZY:
		return FALLOW_POPULATE_NONE;
	default:
		return huge ? FALLOW_POPULATE_WRITE : FALLOW_POPULATE_NONE;
	}
}

/* Less than a page would be no heap at all. */
static size_t limit(void)
{
	return fl_options.limit == 0 ? 0 : fl_max(fl_options.limit, FL_MIB);
}

static int create_arena(void)
{
	struct fl_arena_options options = {
		.region = {
			.backing = {
				.kind = (enum fallow_backing)fl_options.backing,
				.populate = populate_mode(),
				.fork = (enum fallow_fork)fl_options.fork,
				.page_size = fl_options.backing == FALLOW_BACKING_HUGETLB ? fl_options.pagesize : 0,
				.fd = -1,
				.node = -1,
				.name = "fallow heap",
			},
			.reserve = fl_claim_longest() / 16,
			.limit = limit(),
			.decay = fl_options.decay,
			.thp = (enum fallow_thp)fl_options.thp,
			.gate_faults = fl_options.populate == FL_OPTION_POPULATE_AUTO,
			.huge_from = fl_options.thp == FALLOW_THP_ALWAYS ? 0 : SLABS_HUGE_FROM,
		},
		.separate_blocks = fl_options.backing == FALLOW_BACKING_ANON && fl_options.limit == 0,
		.spill = (enum fallow_spill)fl_options.spill,
	};
	int result = fl_arena_create(&heap.arena, &options);
	if (result != 0 && fl_options.backing == FALLOW_BACKING_HUGETLB) {
		fl_message("backing:hugetlb: this system has no such huge pages; using ordinary memory");
		fl_options.backing = FALLOW_BACKING_ANON;
		options.region.backing.kind = FALLOW_BACKING_ANON;
		options.region.backing.page_size = 0;
		options.region.backing.populate = populate_mode();
		options.separate_blocks = fl_options.limit == 0;
		result = fl_arena_create(&heap.arena, &options);
	}
	if (result == 0 && fl_options.hardened) {
		result = fl_depot_create(&heap.arena);
		if (result != 0) {
			fl_arena_destroy(&heap.arena);
			heap.arena = (struct fallow_arena){ 0 };
		}
	}
	return result;
}

/*
 * A page of a single word, 1, that the kernel wipes in a child of fork, but not in one of vfork, which shares it. NULL where
 * it cannot be had.
 */
static uint32_t *canary;

static void make_canary(void)
{
	size_t page = fl_os_page_size();
	void *place = NULL;

	if (fl_os_mmap(&place, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != 0)
		return;
	if (fl_os_madvise(place, page, MADV_WIPEONFORK) != 0) {
		fl_os_munmap(place, page);
		return;
	}
	canary = place;
	__atomic_store_n(canary, 1, __ATOMIC_RELAXED);
}

/*
 * In a child: other threads are gone, wherever they were. Their stores are seen up to some point in their order, so locks
 * may be held and what they guard half changed: free bits are true or err by an extent that is lost; what is derived from
 * them is made anew.
 */
static void mend_child(void)
{
	fl_lock_init(&heap.lock, FL_RANK_START);
	fl_lock_init(&fl_meta_lock, FL_RANK_META);
	fl_pool_fork_child();
	fl_decay_fork_child();
	fl_gate_fork_child();
	fl_region_fork_child();
	fl_cache_fork_child();
}

static void mend_child_once(void)
{
	if (canary && __atomic_load_n(canary, __ATOMIC_RELAXED) == 0) {
		__atomic_store_n(canary, 1, __ATOMIC_RELAXED);
		mend_child();
	}
}

static void fork_child(void)
{
	if (canary)
		mend_child_once();
	else
		mend_child();
}

/* Where the kernel put the arguments at start, by the loader's word; the environment follows them. Not in every libc. */
extern void *__libc_stack_end __attribute__((weak));

/* The loader allocates before libc sets environ. */
static char **environment(void)
{
	if (environ != NULL || &__libc_stack_end == NULL || __libc_stack_end == NULL)
		return environ;
	size_t narguments = *(const size_t *)__libc_stack_end;
	return (char **)__libc_stack_end + 1 + narguments + 1;
}

/* True for the one caller that made it. */
static bool make(void)
{
	bool made = false;

	fl_lock_take(&heap.lock);
	if (heap.state == NOT_STARTED) {
		fl_message_start();
		fl_valgrind_start();
		fl_options_start(environment());
		if (create_arena() == 0) {
			fl_options_seal();
			make_canary();
			/* With the canary, for whoever waits for a lock of an explicit arena. */
			__atomic_store_n(&fl_lock_stuck, mend_child_once, __ATOMIC_RELEASE);
			fl_cache_attach(&heap.arena);
			fl_live_start(environment());
			__atomic_store_n(&heap.state, READY, __ATOMIC_RELEASE);
			made = true;
		}
	}
	fl_lock_put(&heap.lock);
	return made;
}

struct fallow_arena *fl_process_arena(void)
{
	return __atomic_load_n(&heap.state, __ATOMIC_ACQUIRE) == READY ? &heap.arena : NULL;
}

struct fallow_arena *fl_start(void)
{
	struct fallow_arena *arena = fl_process_arena();

	if (fl_likely(arena != NULL))
		return arena;
	/* Both may allocate, which now they can. */
	if (make()) {
		fl_cache_start();
		fl_fork_start();
		pthread_atfork(NULL, NULL, fork_child);
	}
	return fl_process_arena();
}
