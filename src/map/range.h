/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Range locks: whoever works on a range of pages keeps others off it, and off nothing else.
 *
 * Ranges that overlap are held one after the other, in the order in which they were asked for, so that nobody starves
 * and nobody waits in a circle. A thread holds one range of a lock at a time.
 */
#ifndef FL_MAP_RANGE_H
#define FL_MAP_RANGE_H

#include "os/lock.h"

struct fl_range {
	size_t first; /* pages [first, end) */
	size_t end;
	bool held;
	bool accompanied; /* another range was held at some time while this one was */
	struct fl_range *next;
};

struct fl_range_lock {
	struct fl_lock lock;
	struct fl_range *ranges; /* held and waiting, in the order of asking */
	uint32_t nputs;          /* a futex */
};

void fl_range_lock_init(struct fl_range_lock *lock);


/* Waits until nobody who asked before holds or wants a part of it. range is the caller's until put. */
void fl_range_take(struct fl_range_lock *lock, struct fl_range *range, size_t first, size_t end);
/* For those who may have interrupted the holder: 0, or -EBUSY when the range could not be had for so long. */
int fl_range_take_within(struct fl_range_lock *lock, struct fl_range *range, size_t first, size_t end,
			 unsigned int milliseconds);
void fl_range_put(struct fl_range_lock *lock, struct fl_range *range);

#endif
