/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools inside: a region on huge pages whose limit is the pool's number of pages, and the arenas that draw from it.
 */
#ifndef FL_POOL_POOL_H
#define FL_POOL_POOL_H

#include <fallow/pool.h>

#include "extent/extent.h"

struct fallow_pool {
	struct fl_region *region;
	enum fallow_pool_supply supply;
	size_t npages;       /* with what follows, guarded by a lock that all pools share */
	size_t narenas;
};

/* An arena begins, and ends, to draw from the pool. */
void fl_pool_join(struct fallow_pool *pool);
void fl_pool_leave(struct fallow_pool *pool);

/* In a child of fork: put the lock back. */
void fl_pool_fork_child(void);

#endif
