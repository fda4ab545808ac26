/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a region on private huge pages does before a fork.
 *
 * Its lock keeps purges off while pages are replaced; what purges have in hand is waited for. Populates go on: they settle
 * what they brought in.
 */
#include <errno.h>

#include "extent/extent.h"
#include "extent/internal.h"
#include "os/os.h"

/* As long as a lock is waited for, so long a purge. */
#define PATIENCE_MS 1000

static struct fl_region *region_of(struct fl_fork_holder *holder)
{
	return (struct fl_region *)((char *)holder - offsetof(struct fl_region, holder));
}

static size_t count(struct fl_fork_holder *holder)
{
	const struct fl_region *region = region_of(holder);

	return fl_div_up(__atomic_load_n(&region->present, __ATOMIC_RELAXED), region->backing.page_size);
}

/* All below the frontier. */
static bool find(struct fl_fork_holder *holder, uintptr_t *base, size_t *length)
{
	const struct fl_region *region = region_of(holder);

	if (*base > region->base)
		return false;
	*base = region->base;
	*length = __atomic_load_n(&region->frontier, __ATOMIC_ACQUIRE) << FL_GRANULE_SHIFT;
	return *length != 0;
}

/* Taken once, the lock is not held by what this thread was doing when a signal's handler forked. */
static int hold(struct fl_fork_holder *holder)
{
	struct fl_region *region = region_of(holder);
	uint32_t nobody = 0;
	int result = fl_lock_take_within(&region->lock, PATIENCE_MS);

	if (result != 0)
		return result;
	fl_lock_put(&region->lock);
	/* What is idle need not be copied. */
	fl_extent_purge(region, FL_PURGE_ALL);
	for (int i = 0; i < PATIENCE_MS; i++) {
		fl_lock_take(&region->lock);
		if (region->npurging == 0)
			return 0;
		fl_lock_put(&region->lock);
		fl_os_futex_wait_for(&nobody, 0, 1);
	}
	return -EBUSY;
}

static void release(struct fl_fork_holder *holder)
{
	fl_lock_put(&region_of(holder)->lock);
}

void fl_region_init_holder(struct fl_region *region)
{
	region->holder = (struct fl_fork_holder){
		.backing = &region->backing,
		.count = count,
		.find = find,
		.hold = hold,
		.release = release,
	};
}
