/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting, collecting and stopping, and what populate, discard and resize tell of. See fallow/dirty.h for the contract.
 *
 * A collection harvests piece by piece and hands out from the sets: what there is no room for stays in them.
 */
#include "map/dirty.h"

#include <errno.h>

#include "map/harvest.h"
#include "map/map.h"
#include "map/maps.h"
#include "map/snapshot.h"

static size_t piece_end(size_t page, size_t end)
{
	return fl_min(fl_align_down(page, FL_HARVEST_PAGES) + FL_HARVEST_PAGES, end);
}

/* Sets */

static int make_sets(struct fl_dirty *d, size_t npages)
{
	int result = fl_pageset_create(&d->known, npages);

	if (result != 0)
		return result;
	result = fl_pageset_create(&d->held, npages);
	if (result != 0)
		goto destroy_known;
	result = fl_pageset_create(&d->written, npages);
	if (result != 0)
		goto destroy_held;
	result = fl_pageset_create(&d->discarded, npages);
	if (result != 0)
		goto destroy_written;
	d->made = true;
	return 0;

destroy_written:
	fl_pageset_destroy(&d->written);
destroy_held:
	fl_pageset_destroy(&d->held);
destroy_known:
	fl_pageset_destroy(&d->known);
	return result;
}

static void destroy_sets(struct fl_dirty *d)
{
	if (!d->made)
		return;
	fl_pageset_destroy(&d->known);
	fl_pageset_destroy(&d->held);
	fl_pageset_destroy(&d->written);
	fl_pageset_destroy(&d->discarded);
	d->made = false;
}

/* What the kernel said, as the interface has it. */
static int answer(int result)
{
	switch (result) {
	case 0:
	case -EBADF:
	case -EMFILE:
	case -ENFILE:
		return result;
	default:
		return -ENOMEM;
	}
}

/* Starting and stopping, with all ranges held */

static int enter(struct fallow_map *map, size_t first, size_t end)
{
	return fl_protect_enter(&map->dirty.protect, (uintptr_t)fl_map_address(map, first),
				(end - first) * map->page_size);
}

static void leave(struct fallow_map *map)
{
	fl_protect_leave(&map->dirty.protect, map->base, map->length);
	fl_protect_close(&map->dirty.protect);
	map->dirty.tracked = false;
	destroy_sets(&map->dirty);
}

/* All that is there counts as collected. */
static int take_stock(struct fallow_map *map, size_t first, size_t end)
{
	int result = 0;

	for (size_t page = first; page < end && result == 0; page = piece_end(page, end)) {
		result = fl_harvest_next(map, page, end, &page);
		if (result == 0 && page < end)
			result = fl_harvest(map, page, piece_end(page, end), true);
	}
	return result;
}

static int start(struct fallow_map *map)
{
	struct fl_dirty *d = &map->dirty;
	size_t npages = map->length / map->page_size;

	if (d->tracked)
		return -EBUSY;
	destroy_sets(d);
	fl_snapshot_await_end(map);
	int result = make_sets(d, map->reserve / map->page_size);
	if (result != 0)
		return result;
	result = fl_protect_open(&d->protect);
	if (result != 0)
		goto destroy_sets;
	result = enter(map, 0, npages);
	if (result != 0)
		goto close;
	d->tracked = true;
	result = take_stock(map, 0, npages);
	if (result == 0)
		return 0;
	leave(map);
	return answer(result);

close:
	fl_protect_close(&d->protect);
destroy_sets:
	destroy_sets(d);
	return result;
}

static int stop(struct fallow_map *map)
{
	if (!map->dirty.tracked)
		return -ENOENT;
	leave(map);
	return 0;
}

static int with_all_held(struct fallow_map *map, int (*fn)(struct fallow_map *map))
{
	struct fl_range range;

	if (map == NULL)
		return -EINVAL;
	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	int result = fn(map);
	fl_range_put(&map->ranges, &range);
	return result;
}

int fallow_dirty_start(struct fallow_map *map)
{
	return with_all_held(map, start);
}

int fallow_dirty_stop(struct fallow_map *map)
{
	return with_all_held(map, stop);
}

void fl_dirty_destroy(struct fallow_map *map)
{
	if (map->dirty.tracked)
		leave(map);
	destroy_sets(&map->dirty);
}

void fl_dirty_forked(struct fallow_map *map)
{
	if (map->dirty.tracked)
		fl_protect_close(&map->dirty.protect);
	map->dirty.tracked = false;
}

/* Collecting, with the range held */

struct list {
	struct fallow_dirty_range *ranges;
	size_t room;
	size_t n;
};

/* False when there is no room. */
static bool give(struct list *list, size_t offset, size_t length, unsigned int changes)
{
	struct fallow_dirty_range *last = list->n ? &list->ranges[list->n - 1] : NULL;

	if (last && last->offset + last->length == offset && last->changes == changes) {
		last->length += length;
		return true;
	}
	if (list->n == list->room)
		return false;
	list->ranges[list->n++] = (struct fallow_dirty_range){ offset, length, changes };
	return true;
}

/* Where pages from page on, which is in the set or not, begin to be otherwise. */
static size_t run_end(const struct fl_pageset *set, size_t page, size_t end, bool *in)
{
	*in = fl_pageset_next(set, page, end) == page;
	return *in ? fl_pageset_next_absent(set, page, end) : fl_pageset_next(set, page, end);
}

static size_t next_in_sets(struct fallow_map *map, size_t first, size_t end)
{
	fl_lock_take(&map->lock);
	size_t page = fl_pageset_next(&map->dirty.written, first, end);
	page = fl_pageset_next(&map->dirty.discarded, first, page);
	fl_lock_put(&map->lock);
	return page;
}

/* What of [first, end) is in the sets goes into the list. The page from which on something may be left. */
static size_t hand_out(struct fallow_map *map, size_t first, size_t end, struct list *list)
{
	struct fl_dirty *d = &map->dirty;
	size_t page = first, page_size = map->page_size;

	fl_lock_take(&map->lock);
	while (page < end) {
		bool written, discarded;
		size_t to = run_end(&d->written, page, end, &written);
		to = run_end(&d->discarded, page, to, &discarded);
		unsigned int changes = (written ? FALLOW_DIRTY_WRITTEN : 0) | (discarded ? FALLOW_DIRTY_DISCARDED : 0);
		if (changes && !give(list, page * page_size, (to - page) * page_size, changes))
			break;
		fl_pageset_remove(&d->written, page, to);
		fl_pageset_remove(&d->discarded, page, to);
		page = to;
	}
	fl_lock_put(&map->lock);
	return page;
}

/* The caller has the list, or it all goes back. */
static void settle(struct fallow_map *map, const struct list *list, bool collected)
{
	struct fl_dirty *d = &map->dirty;

	fl_lock_take(&map->lock);
	for (size_t i = 0; i < list->n; i++) {
		const struct fallow_dirty_range *range = &list->ranges[i];
		size_t first = range->offset / map->page_size, end = first + range->length / map->page_size;
		bool written = range->changes & FALLOW_DIRTY_WRITTEN;

		if (collected && written)
			fl_pageset_add(&d->held, first, end);
		else if (collected)
			fl_pageset_remove(&d->held, first, end);
		else if (written)
			fl_pageset_add(&d->written, first, end);
		if (!collected && range->changes & FALLOW_DIRTY_DISCARDED)
			fl_pageset_add(&d->discarded, first, end);
	}
	fl_lock_put(&map->lock);
}

static int collect(struct fallow_map *map, size_t first, size_t end, struct list *list)
{
	int result = 0;
	bool room = true;

	for (size_t page = first; page < end && room && result == 0;) {
		size_t pending = next_in_sets(map, page, end);
		result = fl_harvest_next(map, page, pending, &page);
		if (result != 0 || page == end)
			break;
		size_t to = piece_end(page, end);
		result = fl_harvest(map, page, to, false);
		page = hand_out(map, page, to, list);
		room = page == to;
	}
	settle(map, list, result == 0);
	return answer(result);
}

int fallow_dirty_collect(struct fallow_map *map, size_t offset, size_t length, struct fallow_dirty_range *ranges,
			 size_t *nranges)
{
	struct fl_range range;

	if (map == NULL || ranges == NULL || nranges == NULL || *nranges == 0)
		return -EINVAL;
	struct list list = { .ranges = ranges, .room = *nranges };
	if (!fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	int result = map->dirty.tracked ? collect(map, range.first, range.end, &list) : -ENOENT;
	fl_range_put(&map->ranges, &range);
	if (result == 0)
		*nranges = list.n;
	return result;
}

/* What others do to pages */

static bool see_borrowed(void *context, const struct fl_scan_range *range)
{
	struct fallow_map *map = context;
	struct fl_dirty *d = &map->dirty;
	size_t page = (range->start - map->base) / map->page_size, end = (range->end - map->base) / map->page_size;

	fl_lock_take(&map->lock);
	while (page < end) {
		bool known;
		size_t to = run_end(&d->known, page, end, &known);
		if (known && range->categories & FL_SCAN_WRITTEN)
			fl_pageset_add(&d->written, page, to);
		page = to;
	}
	fl_pageset_remove(&d->known, (range->start - map->base) / map->page_size, end);
	fl_lock_put(&map->lock);
	return true;
}

/* Tracking that is lost with its descriptor is in nobody's way. */
static int unless_lost(int result)
{
	return result == -EBADF ? 0 : result;
}

int fl_dirty_prepare(struct fallow_map *map, enum fallow_populate mode, size_t first, size_t end)
{
	if (!map->dirty.tracked || mode == FALLOW_POPULATE_ALLOCATE)
		return 0;
	if (map->guard.kind != FALLOW_GUARD_KIND_NONE && map->backing.shared)
		return unless_lost(fl_harvest_guarded(map, first, end));
	if (mode != FALLOW_POPULATE_WRITE || map->backing.shared)
		return 0;
	return fl_protect_borrowed((uintptr_t)fl_map_address(map, first),
				   (uintptr_t)fl_map_address(map, end), see_borrowed, map);
}

/*
 * A page of shared memory that is there for reading needs no more to be written, but on an ordinary filesystem, which may
 * find no room for it then. A private page may have to be copied first when a child of fork has it too.
 */
static bool is_writable_when_read(const struct fallow_map *map)
{
	return map->backing.shared ? map->backing.huge || map->backing.in_memory : !fl_maps_forked(map);
}

enum fallow_populate fl_dirty_mode(struct fallow_map *map, enum fallow_populate mode, size_t page, size_t end,
				   size_t *next)
{
	bool known;

	*next = end;
	if (!map->dirty.tracked || mode != FALLOW_POPULATE_WRITE || !is_writable_when_read(map))
		return mode;
	fl_lock_take(&map->lock);
	*next = run_end(&map->dirty.known, page, end, &known);
	fl_lock_put(&map->lock);
	return known ? FALLOW_POPULATE_READ : mode;
}

/* A hole may hold a part of what was there, if not all could be discarded. */
void fl_dirty_discarded(struct fallow_map *map, size_t first, size_t end, bool completely)
{
	struct fl_dirty *d = &map->dirty;
	bool held;

	if (!d->tracked)
		return;
	fl_lock_take(&map->lock);
	for (size_t page = first, to; page < end; page = to) {
		to = run_end(&d->held, page, end, &held);
		if (held)
			fl_pageset_add(completely ? &d->discarded : &d->written, page, to);
	}
	if (completely) {
		fl_pageset_remove(&d->written, first, end);
		fl_pageset_remove(&d->known, first, end);
	}
	fl_lock_put(&map->lock);
}

void fl_dirty_close(struct fallow_map *map, size_t first, size_t end)
{
	if (!map->dirty.tracked || map->guard.kind == FALLOW_GUARD_KIND_NONE || first >= end)
		return;
	fl_protect_disarm(&map->dirty.protect, (uintptr_t)fl_map_address(map, first), (end - first) * map->page_size);
	fl_lock_take(&map->lock);
	fl_pageset_remove(&map->dirty.known, first, end);
	fl_lock_put(&map->lock);
}

int fl_dirty_grow(struct fallow_map *map, size_t npages_before, size_t npages)
{
	if (!map->dirty.tracked)
		return 0;
	int result = enter(map, npages_before, npages);
	if (result == 0)
		result = take_stock(map, npages_before, npages);
	result = unless_lost(result);
	if (result != 0)
		fl_dirty_shrink(map, npages_before);
	return result;
}

void fl_dirty_shrink(struct fallow_map *map, size_t npages)
{
	struct fl_dirty *d = &map->dirty;

	if (!d->tracked)
		return;
	fl_lock_take(&map->lock);
	fl_pageset_cut(&d->known, npages);
	fl_pageset_cut(&d->held, npages);
	fl_pageset_cut(&d->written, npages);
	fl_pageset_cut(&d->discarded, npages);
	fl_lock_put(&map->lock);
}
