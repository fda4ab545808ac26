/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a region on private huge pages does before a fork.
 *
 * Its locks keep populates and purges off while pages are counted and replaced; what purges have in hand is waited for.
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

/* Unless this thread was at work on the region when a signal's handler forked. */
static void purge(struct fl_fork_holder *holder)
{
	struct fl_region *region = region_of(holder);

	if (fl_lock_take_within(&region->lock, PATIENCE_MS) != 0)
		return;
	fl_lock_put(&region->lock);
	fl_extent_purge(region, FL_PURGE_ALL);
}

static int hold(struct fl_fork_holder *holder)
{
	struct fl_region *region = region_of(holder);
	uint32_t nobody = 0;
	int result = fl_lock_take_within(&region->populate_lock, PATIENCE_MS);

	for (int i = 0; result == 0 && i < PATIENCE_MS; i++) {
		result = fl_lock_take_within(&region->lock, PATIENCE_MS);
		if (result != 0)
			break;
		if (region->npurging == 0)
			return 0;
		fl_lock_put(&region->lock);
		fl_os_futex_wait_for(&nobody, 0, 1);
	}
	if (result == 0)
		fl_lock_put(&region->populate_lock);
	return -EBUSY;
}

static void release(struct fl_fork_holder *holder)
{
	struct fl_region *region = region_of(holder);

	fl_lock_put(&region->lock);
	fl_lock_put(&region->populate_lock);
}

void fl_region_init_holder(struct fl_region *region)
{
	region->holder = (struct fl_fork_holder){
		.backing = &region->backing,
		.count = count,
		.find = find,
		.purge = purge,
		.hold = hold,
		.release = release,
	};
}
