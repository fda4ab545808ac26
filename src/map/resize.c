/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making a map longer and shorter, with all its ranges held.
 */
#include <errno.h>

#include "map/map.h"
#include "map/snapshot.h"
#include "map/volatile.h"
#include "os/os.h"

/* What the kernel said, where it says more than that there is no room. */
static int answer(struct fl_failure failure, size_t length)
{
	fl_failure_keep(failure, length);
	switch (failure.error) {
	case -EPERM:
	case -EFBIG:
	case -ENOSPC:
		return failure.error;
	default:
		return -ENOMEM;
	}
}

static int grow(struct fallow_map *map, size_t length)
{
	size_t had = map->length;

	if (length > map->reserve)
		return answer((struct fl_failure){ FALLOW_REASON_ADDRESS_SPACE, 0 }, length);
	struct fl_failure failure =
		fl_backing_activate(&map->backing, (void *)(map->base + had), length - had, had);
	if (failure.reason != FALLOW_REASON_NONE)
		return answer(failure, length);
	int result = fl_dirty_grow(map, had / map->page_size, length / map->page_size);
	if (result == 0)
		result = fl_guard_resize(&map->guard, length / map->page_size);
	if (result != 0) {
		fl_dirty_shrink(map, had / map->page_size);
		fl_os_munmap((void *)(map->base + had), length - had);
		fl_backing_set_length(&map->backing, had);
		return answer(fl_backing_diagnose(&map->backing, result, true), length);
	}
	fl_snapshot_grown(map, had / map->page_size, length / map->page_size);
	return 0;
}

/* The file goes first: that it is sealed is the one thing that can be in the way. */
static int shrink(struct fallow_map *map, size_t length)
{
	int result = map->backing.fd >= 0 ? fl_backing_set_length(&map->backing, length) : 0;

	if (result != 0)
		return answer(fl_backing_diagnose(&map->backing, result, false), length);
	fl_os_munmap((void *)(map->base + length), map->length - length);
	fl_guard_resize(&map->guard, length / map->page_size);
	fl_dirty_shrink(map, length / map->page_size);
	fl_lock_take(&map->lock);
	fl_pageset_cut(&map->populated, length / map->page_size);
	fl_volatile_forget(map, length / map->page_size, map->reserve / map->page_size);
	fl_lock_put(&map->lock);
	return 0;
}

static int resize(struct fallow_map *map, size_t length)
{
	int result = length > map->length ? grow(map, length) : length < map->length ? shrink(map, length) : 0;

	if (result == 0)
		__atomic_store_n(&map->length, length, __ATOMIC_RELAXED);
	return result;
}

int fallow_map_resize(struct fallow_map *map, size_t length)
{
	struct fl_range range;

	if (map == NULL || length == 0 || length > SIZE_MAX - map->page_size)
		return -EINVAL;
	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	int result = fl_snapshot_is_taken(map) ? -EBUSY : resize(map, fl_align_up(length, map->page_size));
	fl_range_put(&map->ranges, &range);
	return result;
}
