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

/* How long a fork waits for those who are at work on a map's pages. */
#define PATIENCE_MS 5000

static struct {
	bool handled; /* atomic: the handlers are registered */
	uint64_t nforks; /* atomic */
} maps;

/* Under the list's lock. */
static void set_changing(bool changing)
{
	__atomic_store_n(&fl_map_list.version, (fl_map_list.version | 1) + !changing, __ATOMIC_RELEASE);
}

static void mend(struct fallow_map *map)
{
	fl_lock_init(&map->lock, FL_RANK_MAP);
	fl_lock_init(&map->guard.lock, FL_RANK_GUARD);
	fl_range_lock_init(&map->ranges);
	map->pending = 0;
	fl_dirty_forked(map);
	fl_snapshot_leave_to_parent(map);
}

static struct fallow_map *map_of(struct fl_fork_holder *holder)
{
	return (struct fallow_map *)((char *)holder - offsetof(struct fallow_map, holder));
}

/* Pages that a touch brought in are not counted as populated, and nothing was promised of them. */
static size_t count(struct fl_fork_holder *holder)
{
	struct fallow_map *map = map_of(holder);

	if (fl_lock_take_within(&map->lock, PATIENCE_MS) != 0)
		return fallow_map_size(map) / map->page_size;
	size_t npages = map->populated.count;
	fl_lock_put(&map->lock);
	return npages;
}

static bool find(struct fl_fork_holder *holder, uintptr_t *base, size_t *length)
{
	struct fallow_map *map = map_of(holder);
	size_t from = *base > map->base ? (*base - map->base) / map->page_size : 0;
	size_t npages = fallow_map_size(map) / map->page_size;

	if (fl_lock_take_within(&map->lock, PATIENCE_MS) != 0)
		return false;
	size_t first = fl_pageset_next(&map->populated, from, npages);
	size_t end = fl_pageset_next_absent(&map->populated, first, npages);
	fl_lock_put(&map->lock);
	*base = (uintptr_t)fl_map_address(map, first);
	*length = (end - first) * map->page_size;
	return *length != 0;
}

static void release(struct fl_fork_holder *holder)
{
	struct fallow_map *map = map_of(holder);

	fl_range_put(&map->ranges, &map->forking);
}

/* What is replaced loses what the kernel watches it by. */
static int hold(struct fl_fork_holder *holder)
{
	struct fallow_map *map = map_of(holder);
	int result = fl_range_take_within(&map->ranges, &map->forking, 0, SIZE_MAX, PATIENCE_MS);

	if (result == 0 && (map->dirty.tracked || map->snapshot)) {
		release(holder);
		result = -EBUSY;
	}
	return result;
}

/* Before: others may populate while the child is being made. */
static void fork_prepare(void)
{
	__atomic_add_fetch(&maps.nforks, 1, __ATOMIC_RELAXED);
}

static void fork_child(void)
{
	fl_lock_init(&fl_map_list.lock, FL_RANK_MAPS);
	set_changing(false);
	fl_lock_init(&fl_meta_lock, FL_RANK_META);
	for (struct fallow_map *map = fl_map_list.first; map; map = map->next)
		mend(map);
}

static void add_holder(struct fallow_map *map)
{
	map->holder = (struct fl_fork_holder){
		.backing = &map->backing,
		.count = count,
		.find = find,
		.hold = hold,
		.release = release,
	};
	fl_fork_start();
	fl_fork_add(&map->holder);
}

void fl_maps_add(struct fallow_map *map)
{
	if (fl_backing_is_pooled(&map->backing))
		add_holder(map);
	/* Without a lock held: it may allocate. */
	if (!__atomic_exchange_n(&maps.handled, true, __ATOMIC_RELAXED))
		pthread_atfork(fork_prepare, NULL, fork_child);
	map->nforks = __atomic_load_n(&maps.nforks, __ATOMIC_RELAXED);
	fl_lock_take(&fl_map_list.lock);
	map->next = fl_map_list.first;
	set_changing(true);
	__atomic_store_n(&fl_map_list.first, map, __ATOMIC_RELEASE);
	set_changing(false);
	fl_lock_put(&fl_map_list.lock);
}

bool fl_maps_forked(const struct fallow_map *map)
{
	return __atomic_load_n(&maps.nforks, __ATOMIC_RELAXED) != map->nforks;
}

void fl_maps_remove(struct fallow_map *map)
{
	if (fl_backing_is_pooled(&map->backing))
		fl_fork_remove(&map->holder);
	fl_lock_take(&fl_map_list.lock);
	for (struct fallow_map **link = &fl_map_list.first; *link; link = &(*link)->next) {
		if (*link == map) {
			set_changing(true);
			__atomic_store_n(link, map->next, __ATOMIC_RELEASE);
			set_changing(false);
			break;
		}
	}
	fl_lock_put(&fl_map_list.lock);
}
