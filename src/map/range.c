/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Range locks as a queue: a range is held once nothing before it in the queue overlaps it.
 */
#include "map/range.h"

#include <errno.h>
#include <limits.h>

#include "os/os.h"

void fl_range_lock_init(struct fl_range_lock *lock)
{
	*lock = (struct fl_range_lock){ .lock = FL_LOCK_INIT(FL_RANK_RANGES) };
}

static bool must_wait(const struct fl_range_lock *lock, const struct fl_range *range)
{
	for (const struct fl_range *other = lock->ranges; other != range; other = other->next) {
		if (other->first < range->end && range->first < other->end)
			return true;
	}
	return false;
}

static void append(struct fl_range_lock *lock, struct fl_range *range)
{
	struct fl_range **link = &lock->ranges;

	while (*link)
		link = &(*link)->next;
	*link = range;
}

static void hold(struct fl_range_lock *lock, struct fl_range *range)
{
	range->held = true;
	for (struct fl_range *other = lock->ranges; other; other = other->next) {
		if (other != range && other->held)
			range->accompanied = other->accompanied = true;
	}
}

void fl_range_take(struct fl_range_lock *lock, struct fl_range *range, size_t first, size_t end)
{
	*range = (struct fl_range){ .first = first, .end = end };
	fl_lock_take(&lock->lock);
	append(lock, range);
	while (must_wait(lock, range)) {
		uint32_t nputs = __atomic_load_n(&lock->nputs, __ATOMIC_RELAXED);
		fl_lock_put(&lock->lock);
		fl_os_futex_wait(&lock->nputs, nputs);
		fl_lock_take(&lock->lock);
	}
	hold(lock, range);
	fl_lock_put(&lock->lock);
}

int fl_range_take_within(struct fl_range_lock *lock, struct fl_range *range, size_t first, size_t end,
			 unsigned int milliseconds)
{
	uint64_t until = fl_os_clock_ms() + milliseconds;
	int result = fl_lock_take_within(&lock->lock, milliseconds);

	if (result != 0)
		return result;
	*range = (struct fl_range){ .first = first, .end = end };
	append(lock, range);
	while (must_wait(lock, range) && fl_os_clock_ms() < until) {
		uint32_t nputs = __atomic_load_n(&lock->nputs, __ATOMIC_RELAXED);
		fl_lock_put(&lock->lock);
		fl_os_futex_wait_for(&lock->nputs, nputs, milliseconds);
		fl_lock_take(&lock->lock);
	}
	bool got = !must_wait(lock, range);
	if (got)
		hold(lock, range);
	fl_lock_put(&lock->lock);
	if (!got)
		fl_range_put(lock, range);
	return got ? 0 : -EBUSY;
}

/* A child of fork forgets the ranges of all threads, that of its own too: then there is nothing to take out. */
void fl_range_put(struct fl_range_lock *lock, struct fl_range *range)
{
	fl_lock_take(&lock->lock);
	for (struct fl_range **link = &lock->ranges; *link; link = &(*link)->next) {
		if (*link == range) {
			*link = range->next;
			break;
		}
	}
	__atomic_add_fetch(&lock->nputs, 1, __ATOMIC_RELAXED);
	bool awaited = lock->ranges != NULL;
	fl_lock_put(&lock->lock);
	if (awaited)
		fl_os_futex_wake(&lock->nputs, INT_MAX);
}
