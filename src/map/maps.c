/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of maps. Maps need no started heap, so they register a handler for fork of their own.
 *
 * A child has pages as the parent had them. What other threads were populating is not in the set of populated pages,
 * and nobody is there to commit it: their charges are dropped and their ranges forgotten. Pages that they had brought
 * in so far stay, uncounted, until they are discarded.
 */
#include "map/maps.h"

#include <pthread.h>

#include "map/snapshot.h"
#include "meta/meta.h"

static struct {
	struct fl_lock lock;
	struct fallow_map *first;
	bool handled; /* atomic: the handlers are registered */
	uint64_t nforks; /* atomic */
} maps = { .lock = FL_LOCK_INIT(FL_RANK_MAPS) };

static void mend(struct fallow_map *map)
{
	fl_lock_init(&map->lock, FL_RANK_MAP);
	fl_lock_init(&map->guard.lock, FL_RANK_GUARD);
	fl_range_lock_init(&map->ranges);
	map->pending = 0;
	fl_dirty_forked(map);
	fl_snapshot_leave_to_parent(map);
}

/* Before: others may populate while the child is being made. */
static void fork_prepare(void)
{
	__atomic_add_fetch(&maps.nforks, 1, __ATOMIC_RELAXED);
}

static void fork_child(void)
{
	fl_lock_init(&maps.lock, FL_RANK_MAPS);
	fl_lock_init(&fl_meta_lock, FL_RANK_META);
	for (struct fallow_map *map = maps.first; map; map = map->next)
		mend(map);
}

void fl_maps_add(struct fallow_map *map)
{
	/* Without a lock held: it may allocate. */
	if (!__atomic_exchange_n(&maps.handled, true, __ATOMIC_RELAXED))
		pthread_atfork(fork_prepare, NULL, fork_child);
	map->nforks = __atomic_load_n(&maps.nforks, __ATOMIC_RELAXED);
	fl_lock_take(&maps.lock);
	map->next = maps.first;
	__atomic_store_n(&maps.first, map, __ATOMIC_RELEASE);
	fl_lock_put(&maps.lock);
}

bool fl_maps_forked(const struct fallow_map *map)
{
	return __atomic_load_n(&maps.nforks, __ATOMIC_RELAXED) != map->nforks;
}

void fl_maps_remove(struct fallow_map *map)
{
	fl_lock_take(&maps.lock);
	for (struct fallow_map **link = &maps.first; *link; link = &(*link)->next) {
		if (*link == map) {
			*link = map->next;
			break;
		}
	}
	fl_lock_put(&maps.lock);
}
