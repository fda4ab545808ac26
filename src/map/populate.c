/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Populating and discarding ranges of a map.
 *
 *     populate:  charge the limit - remember what is there - open the guard - bring in - commit
 *                                                 on failure: discard what came - close the guard - give the charge back
 *     discard:   give the memory back - close the guard - count it
 *
 * The range is held all along. Two populates that run side by side may both fail where one of them alone would not:
 * each has taken a part of what is left. One that fails in company is tried again with all ranges held.
 */
#include <errno.h>

#include "map/crew.h"
#include "map/map.h"
#include "map/rollback.h"
#include "map/snapshot.h"
#include "map/volatile.h"

static const struct fl_failure success = { FALLOW_REASON_NONE, 0 };

bool fl_map_has(const struct fallow_map *map, size_t offset, size_t length)
{
	return offset % map->page_size == 0 && length % map->page_size == 0 && offset <= map->length &&
	       length <= map->length - offset;
}

bool fl_map_hold(struct fallow_map *map, size_t offset, size_t length, struct fl_range *range)
{
	size_t first = offset / map->page_size;

	fl_range_take(&map->ranges, range, first, first + length / map->page_size);
	if (fl_map_has(map, offset, length))
		return true;
	fl_range_put(&map->ranges, range);
	return false;
}

/* Count the pages that a populate of [first, end) would add against the limit. */
static struct fl_failure charge(struct fallow_map *map, size_t first, size_t end, size_t *ncharged)
{
	struct fl_failure failure = success;

	fl_lock_take(&map->lock);
	size_t n = end - first - fl_pageset_count(&map->populated, first, end);
	if (map->limit != 0 && n != 0 && map->populated.count + map->pending + n > map->limit)
		failure = (struct fl_failure){ FALLOW_REASON_MAP_LIMIT, 0 };
	else if (fl_pageset_reserve(&map->populated, first, end) != 0)
		failure = (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM };
	else
		map->pending += *ncharged = n;
	fl_lock_put(&map->lock);
	return failure;
}

/* The charge becomes pages, or is given back. */
static void settle(struct fallow_map *map, size_t first, size_t end, size_t ncharged, bool populated)
{
	fl_lock_take(&map->lock);
	map->pending -= ncharged;
	if (populated) {
		fl_pageset_add(&map->populated, first, end);
		map->npopulates++;
	}
	fl_lock_put(&map->lock);
}

/* Trap again on what of [first, end) is not populated. */
static void close_guard(struct fallow_map *map, size_t first, size_t end)
{
	while (first < end) {
		fl_lock_take(&map->lock);
		size_t from = fl_pageset_next_absent(&map->populated, first, end);
		first = fl_pageset_next(&map->populated, from, end);
		fl_lock_put(&map->lock);
		fl_dirty_close(map, from, first);
		fl_guard_close(&map->guard, from, first);
	}
}

static int bring_in(struct fallow_map *map, size_t first, size_t end, const struct fallow_populate_options *options,
		    struct fl_failure *failure)
{
	struct fl_rollback rollback;

	fl_snapshot_before_populate(map, first, end);
	int result = fl_rollback_begin(&rollback, map, first, end);

	if (result != 0) {
		*failure = (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, result };
		return result;
	}
	result = fl_guard_open(&map->guard, first, end);
	if (result == 0)
		result = fl_dirty_prepare(map, options->mode, first, end);
	if (result != 0)
		*failure = fl_backing_diagnose(&map->backing, result, true);
	else
		result = fl_crew_bring_in(map, first, end, options, failure);
	if (result != 0) {
		fl_rollback_undo(&rollback);
		close_guard(map, first, end);
	}
	fl_rollback_end(&rollback);
	return result;
}

/* With the range held. */
static int populate(struct fallow_map *map, size_t first, size_t end, const struct fallow_populate_options *options,
		    struct fl_failure *failure)
{
	size_t ncharged = 0;

	*failure = charge(map, first, end, &ncharged);
	if (failure->reason != FALLOW_REASON_NONE)
		return -ENOMEM;
	int result = bring_in(map, first, end, options, failure);
	settle(map, first, end, ncharged, result == 0);
	return result;
}

/* -errno as the interface has it, with the failure kept for who asks. */
static int answer(struct fallow_map *map, int result, struct fl_failure failure, size_t length)
{
	if (result == 0)
		return 0;
	fl_lock_take(&map->lock);
	map->nfailures++;
	fl_lock_put(&map->lock);
	if (failure.reason == FALLOW_REASON_NONE)
		return result;
	fl_failure_keep(failure, length);
	return failure.reason == FALLOW_REASON_FAULT || failure.error == -EOPNOTSUPP ? failure.error : -ENOMEM;
}

/* Whether others who populate at the same time may be the cause of the failure. */
static bool is_worth_another_try(const struct fl_range *range, struct fl_failure failure)
{
	return range->accompanied && failure.reason != FALLOW_REASON_NONE && failure.reason != FALLOW_REASON_FAULT;
}

static int populate_held(struct fallow_map *map, size_t offset, size_t length,
			 const struct fallow_populate_options *options)
{
	size_t first = offset / map->page_size, end = first + length / map->page_size;
	struct fl_failure failure = success;
	struct fl_range range;

	if (!fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	int result = populate(map, first, end, options, &failure);
	fl_range_put(&map->ranges, &range);
	if (result != 0 && is_worth_another_try(&range, failure)) {
		fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
		result = fl_map_has(map, offset, length) ? populate(map, first, end, options, &failure) : -EINVAL;
		fl_range_put(&map->ranges, &range);
	}
	return result == -EINVAL ? result : answer(map, result, failure, length);
}

int fallow_map_populate_with(struct fallow_map *map, size_t offset, size_t length,
			     const struct fallow_populate_options *options)
{
	if (map == NULL || options == NULL || options->size != sizeof(*options) ||
	    (unsigned int)options->mode >= FALLOW_POPULATE_NONE)
		return -EINVAL;
	struct fallow_populate_options with = *options;
	if (with.mode == FALLOW_POPULATE_AUTO)
		with.mode = map->backing.populate;
	if (with.mode == FALLOW_POPULATE_ALLOCATE && !(map->backing.fd >= 0 && map->backing.shared))
		return -EOPNOTSUPP;
	if (length == 0)
		return fl_map_has(map, offset, 0) ? 0 : -EINVAL;
	return populate_held(map, offset, length, &with);
}

int fallow_map_populate(struct fallow_map *map, size_t offset, size_t length, enum fallow_populate mode)
{
	const struct fallow_populate_options options = { .size = sizeof(options), .mode = mode, .nthreads = 1 };

	return fallow_map_populate_with(map, offset, length, &options);
}

/* Huge pages of ordinary memory, or of files in memory that all who have them share. */
static bool can_collapse(const struct fl_backing *b)
{
	return !b->huge && (b->fd < 0 || (b->shared && b->in_memory));
}

int fallow_map_collapse(struct fallow_map *map, size_t offset, size_t length)
{
	const struct fallow_populate_options options = { .size = sizeof(options), .mode = FL_POPULATE_COLLAPSE, .nthreads = 1 };

	if (map == NULL || offset % map->page_size != 0 || length % map->page_size != 0 ||
	    offset > fallow_map_size(map) || length > fallow_map_size(map) - offset)
		return -EINVAL;
	if (!can_collapse(&map->backing))
		return -EOPNOTSUPP;
	size_t from = fl_align_up(map->base + offset, FL_COLLAPSED_SIZE) - map->base;
	size_t to = fl_align_down(map->base + offset + length, FL_COLLAPSED_SIZE) - map->base;
	return from < to ? populate_held(map, from, to - from, &options) : 0;
}

int fl_map_discard_held(struct fallow_map *map, size_t first, size_t end)
{
	fl_snapshot_before_discard(map, first, end);
	int result = fl_backing_discard(&map->backing, fl_map_address(map, first), (end - first) * map->page_size,
					first * map->page_size);
	fl_dirty_discarded(map, first, end, result == 0);
	if (result != 0)
		return result;
	fl_lock_take(&map->lock);
	fl_pageset_remove(&map->populated, first, end);
	fl_volatile_forget(map, first, end);
	map->ndiscards++;
	fl_lock_put(&map->lock);
	fl_dirty_close(map, first, end);
	return fl_guard_close(&map->guard, first, end);
}

int fallow_map_discard(struct fallow_map *map, size_t offset, size_t length)
{
	struct fl_range range;

	if (map == NULL || !fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	int result = length != 0 ? fl_map_discard_held(map, range.first, range.end) : 0;
	fl_range_put(&map->ranges, &range);
	return result;
}
