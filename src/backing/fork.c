/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done about private huge pages before a fork.
 */
#include "backing/fork.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <fallow/fork.h>

#include "backing/userfault.h"
#include "diag/message.h"
#include "os/kernel.h"
#include "os/lock.h"
#include "os/os.h"

/* A handler of a signal may fork while its thread holds what is needed here: then waiting is of no use. */
#define PATIENCE_MS 1000

#define FORK_UNDER_WAY UINT64_MAX

static struct {
	struct fl_lock lock;
	struct fl_fork_holder *holders; /* changed under lock, read by anyone */
	bool started;                   /* atomic: the handlers are registered */
	bool told;                      /* atomic: that huge pages were spilled */
	size_t ncovered;                /* atomic: forks of which children may still share pages that the pool covers */
	uint32_t nunder_way;            /* atomic: forks between prepare and the end */
	uint64_t nforks;                /* atomic */
	int nown_threads;               /* atomic */
} forks = { .lock = FL_LOCK_INIT(FL_RANK_FORK) };

static const struct fl_failure success = { FALLOW_REASON_NONE, 0 };

void fl_fork_count_own_thread(int difference)
{
	__atomic_add_fetch(&forks.nown_threads, difference, __ATOMIC_RELAXED);
}

/* Whether only this thread can be writing to memory. Where that cannot be known it is not so. */
static bool is_alone(void)
{
	struct stat tasks;
	int fd = fl_os_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return false;
	int result = fl_os_fstat(fd, &tasks);
	fl_os_close(fd);
	return result == 0 && (int)tasks.st_nlink - 2 - __atomic_load_n(&forks.nown_threads, __ATOMIC_RELAXED) <= 1;
}

/* A reservation would be the kernel's own answer, but while it is there the children that are covered would miss it. */
static bool pool_has(size_t page_size, size_t npages)
{
	return npages <= fl_backing_pool_free(page_size);
}

static bool is_of(const struct fl_fork_holder *holder, size_t page_size)
{
	return holder->backing->page_size == page_size;
}

typedef size_t count_fn(const struct fl_backing *b, void *address, size_t length);

/* A holder's pages, one by one. */
static size_t count_each(struct fl_fork_holder *holder, count_fn *count)
{
	size_t length, npages = 0;

	if (holder->count(holder) == 0)
		return 0;
	for (uintptr_t base = 0; holder->find(holder, &base, &length); base += length)
		npages += count(holder->backing, (void *)base, length);
	return npages;
}

/* All pages of a size; at most so many where nothing counts them one by one. */
static size_t count_all(size_t page_size, count_fn *count)
{
	size_t npages = 0;

	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		if (is_of(holder, page_size))
			npages += count ? count_each(holder, count) : holder->count(holder);
	}
	return npages;
}

/*
 * Whether the pool has nmore pages beside those that children made before may still ask for: each of them one for each
 * page that is shared with anybody. What a child that is being made will share counts as shared.
 */
static bool has_beside_shared(size_t page_size, size_t nmore)
{
	size_t nunder_way = __atomic_load_n(&forks.nunder_way, __ATOMIC_SEQ_CST);
	size_t nchildren = __atomic_load_n(&forks.ncovered, __ATOMIC_RELAXED);

	if (nmore == 0 || pool_has(page_size, nmore + nchildren * count_all(page_size, NULL)))
		return true;
	if (nchildren == 0)
		return false;
	size_t nshared = count_all(page_size, nunder_way ? fl_backing_count_pooled : fl_backing_count_shared);
	return pool_has(page_size, nmore + nchildren * nshared);
}

/* The children that shared something have gone their ways. */
static void forget_covered(void)
{
	if (__atomic_load_n(&forks.nunder_way, __ATOMIC_SEQ_CST) != 0 ||
	    __atomic_load_n(&forks.ncovered, __ATOMIC_RELAXED) == 0)
		return;
	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		if (count_each(holder, fl_backing_count_shared) != 0)
			return;
	}
	__atomic_store_n(&forks.ncovered, 0, __ATOMIC_RELAXED);
}

/* Whether the pool could give all pages of this size once more. */
static bool is_covered(size_t page_size)
{
	return has_beside_shared(page_size, count_all(page_size, NULL)) ||
	       has_beside_shared(page_size, count_all(page_size, fl_backing_count_pooled));
}

static int spill(struct fl_fork_holder *holder, int fd)
{
	size_t length;
	int result = 0;

	for (uintptr_t base = 0; result == 0 && holder->find(holder, &base, &length); base += length)
		result = fl_backing_spill(holder->backing, (void *)base, length, fd);
	return result;
}

static void release_until(const struct fl_fork_holder *end)
{
	for (struct fl_fork_holder *holder = forks.holders; holder != end; holder = holder->next)
		holder->release(holder);
}

/* From here on nobody brings pages in, or gives them back. */
static int hold_all(void)
{
	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		int result = holder->hold(holder);
		if (result != 0) {
			release_until(holder);
			return result;
		}
	}
	return 0;
}

static void tell_once(void)
{
	if (!__atomic_exchange_n(&forks.told, true, __ATOMIC_RELAXED))
		fl_message("fork: the pool cannot cover a copy of the huge pages: going on in ordinary memory");
}

/* A handler that ran while pages are copied would write to the old ones, or wait for its own thread. */
static void block_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

/* With what holds up threads while they would write: fd, or -1 where there are none. 0 or -errno. */
static int stop_writers(int *fd)
{
	*fd = is_alone() ? -1 : fl_userfault_open();
	return *fd >= -1 ? 0 : *fd;
}

static void let_writers_go(int fd)
{
	if (fd >= 0)
		fl_os_close(fd);
}

/* Only those whose policy is copy, or all. */
static int spill_all(size_t page_size, bool only_copies)
{
	int fd, result = stop_writers(&fd);

	for (struct fl_fork_holder *holder = forks.holders; holder && result == 0; holder = holder->next) {
		bool copies = holder->backing->fork == FALLOW_FORK_COPY;
		if (!is_of(holder, page_size) || (only_copies && !copies) ||
		    count_each(holder, fl_backing_count_pooled) == 0)
			continue;
		result = spill(holder, fd);
		if (result == 0 && !copies)
			tell_once();
	}
	let_writers_go(fd);
	return result;
}

static bool has_any(size_t page_size, enum fallow_fork policy)
{
	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		if (is_of(holder, page_size) && holder->backing->fork == policy &&
		    count_each(holder, fl_backing_count_pooled) != 0)
			return true;
	}
	return false;
}

/* Each page size once, at the first of its holders. */
static bool is_first_of_its_size(const struct fl_fork_holder *holder)
{
	const struct fl_fork_holder *first = forks.holders;

	while (first != holder && !is_of(first, holder->backing->page_size))
		first = first->next;
	return first == holder;
}

static int prepare_pages_of(size_t page_size, bool may_refuse)
{
	bool covered = is_covered(page_size);

	if (!covered && may_refuse && has_any(page_size, FALLOW_FORK_REFUSE))
		return -ENOMEM;
	return covered && !has_any(page_size, FALLOW_FORK_COPY) ? 0 : spill_all(page_size, covered);
}

static int prepare_held(bool may_refuse)
{
	int result = 0;

	for (struct fl_fork_holder *holder = forks.holders; holder && result == 0; holder = holder->next) {
		if (is_first_of_its_size(holder))
			result = prepare_pages_of(holder->backing->page_size, may_refuse);
	}
	return result;
}

static bool all_covered(void)
{
	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		if (is_first_of_its_size(holder) && !is_covered(holder->backing->page_size))
			return false;
	}
	return true;
}

static bool any_copies(void)
{
	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		if (holder->backing->fork == FALLOW_FORK_COPY)
			return true;
	}
	return false;
}


/* What is idle need neither be covered nor copied, but is kept where it does not matter. */
static void purge_idle(void)
{
	for (struct fl_fork_holder *holder = forks.holders; holder; holder = holder->next) {
		if (holder->purge)
			holder->purge(holder);
	}
}

/* What comes in from here on is looked at by whoever populates, and leaves alone what the child may need. */
static void begin_fork(void)
{
	__atomic_add_fetch(&forks.nunder_way, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&forks.nforks, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&forks.ncovered, 1, __ATOMIC_RELAXED);
}

static int prepare_holding(bool making)
{
	int result = hold_all();
	bool held = result == 0;

	if (held)
		result = prepare_held(!making);
	if (making)
		begin_fork();
	if (held)
		release_until(NULL);
	return result;
}

/* making: a child will be made; else whether it may be is asked. */
static int prepare_pages(bool making)
{
	int result = fl_lock_take_within(&forks.lock, PATIENCE_MS);

	if (result != 0)
		return result;
	forget_covered();
	bool covered = all_covered();
	if (!covered)
		purge_idle();
	if (making || !covered || any_copies())
		result = prepare_holding(making);
	fl_lock_put(&forks.lock);
	return result;
}

static int prepare_pages_undisturbed(bool making)
{
	sigset_t old;

	block_signals(&old);
	int result = prepare_pages(making);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return result;
}

static bool has_holders(void)
{
	return __atomic_load_n(&forks.holders, __ATOMIC_ACQUIRE) != NULL;
}

int fl_fork_admit(void)
{
	if (fl_likely(!has_holders()) || prepare_pages_undisturbed(false) == 0)
		return 0;
	fl_failure_keep((struct fl_failure){ FALLOW_REASON_POOL_EMPTY, -ENOMEM }, 0);
	return -ENOMEM;
}

pid_t fallow_fork(void)
{
	if (fl_fork_admit() != 0) {
		errno = ENOMEM;
		return -1;
	}
	return fork();
}

static void before_fork(void)
{
	int result = fl_likely(!has_holders()) ? 0 : prepare_pages_undisturbed(true);

	if (result != 0)
		fl_message("fork: huge pages are shared with the child for want of ordinary memory (error %d): "
			   "writing to them may end in SIGBUS",
			   -result);
}

/* Where there were no holders before, there is nothing to end. */
static void in_parent(void)
{
	uint32_t n = __atomic_load_n(&forks.nunder_way, __ATOMIC_SEQ_CST);

	while (n != 0 && !__atomic_compare_exchange_n(&forks.nunder_way, &n, n - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static void in_child(void)
{
	fl_lock_init(&forks.lock, FL_RANK_FORK);
	forks.nunder_way = 0;
	forks.nown_threads = 0;
}

void fl_fork_start(void)
{
	if (!__atomic_exchange_n(&forks.started, true, __ATOMIC_RELAXED))
		pthread_atfork(before_fork, in_parent, in_child);
}

void fl_fork_add(struct fl_fork_holder *holder)
{
	fl_lock_take(&forks.lock);
	holder->next = forks.holders;
	__atomic_store_n(&forks.holders, holder, __ATOMIC_RELEASE);
	fl_lock_put(&forks.lock);
}

void fl_fork_remove(struct fl_fork_holder *holder)
{
	fl_lock_take(&forks.lock);
	for (struct fl_fork_holder **link = &forks.holders; *link; link = &(*link)->next) {
		if (*link == holder) {
			__atomic_store_n(link, holder->next, __ATOMIC_RELEASE);
			break;
		}
	}
	fl_lock_put(&forks.lock);
}

bool fl_fork_leaves_cover(const struct fl_backing *b, size_t length)
{
	if (fl_likely(__atomic_load_n(&forks.ncovered, __ATOMIC_RELAXED) == 0) || !fl_backing_is_pooled(b))
		return true;
	/* Another fork that is being prepared is met by what comes in. */
	if (!fl_lock_try(&forks.lock))
		return true;
	bool leaves = has_beside_shared(b->page_size, length / b->page_size);
	if (!leaves) {
		forget_covered();
		leaves = __atomic_load_n(&forks.ncovered, __ATOMIC_RELAXED) == 0;
	}
	fl_lock_put(&forks.lock);
	return leaves;
}

uint64_t fl_fork_watch(void)
{
	if (__atomic_load_n(&forks.nunder_way, __ATOMIC_SEQ_CST) != 0)
		return FORK_UNDER_WAY;
	return __atomic_load_n(&forks.nforks, __ATOMIC_SEQ_CST);
}

struct fl_failure fl_fork_settle(struct fl_backing *b, uint64_t watch, void *address, size_t length)
{
	sigset_t old;
	int fd;

	if (!fl_backing_is_pooled(b) || (watch != FORK_UNDER_WAY && fl_fork_watch() == watch))
		return success;
	block_signals(&old);
	int result = stop_writers(&fd);
	if (result == 0)
		result = fl_backing_spill(b, address, length, fd);
	let_writers_go(fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return result == 0 ? success : (struct fl_failure){ FALLOW_REASON_POOL_EMPTY, -ENOMEM };
}
