/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel knows of a map's pages: the page table by pagemap, and between what that has, what is in the page
 * cache by mincore. In a file on tmpfs only parts with storage can be cached: the rest of a vast file is skipped.
 */
#include <errno.h>

#include "base/bits.h"
#include "map/map.h"
#include "map/pagemap.h"
#include "os/os.h"

#define NCACHED 4096 /* pages asked of mincore in a call */

/* Told of [from, to), bytes of the map, in order. False: no more is wanted. */
typedef bool sink_fn(void *context, size_t from, size_t to, unsigned int states);

struct survey {
	struct fallow_map *map;
	size_t offset; /* where the walk began */
	size_t at;     /* up to where all is told */
	sink_fn *sink;
	void *context;
	bool full;     /* the sink wants no more */
	int error;
};

static bool tell(struct survey *s, size_t from, size_t to, unsigned int states)
{
	if (from < to && !s->full && states != 0)
		s->full = !s->sink(s->context, from, to, states);
	return !s->full;
}

static bool has_cache(const struct fallow_map *map)
{
	return map->backing.fd >= 0 && !map->backing.huge;
}

/* Which pages of [from, to), none of them in the page table, are in the page cache. */
static int tell_cached_in(struct survey *s, size_t from, size_t to)
{
	unsigned char cached[NCACHED];
	size_t page = s->map->page_size;

	for (size_t at = from, n; at < to && !s->full; at += n * page) {
		n = fl_min((to - at) / page, NCACHED);
		int result = fl_os_mincore((void *)(s->map->base + at), n * page, cached);
		if (result != 0)
			return result;
		for (size_t i = 0; i < n; i++) {
			if (cached[i] & 1)
				tell(s, at + i * page, at + (i + 1) * page, FALLOW_PAGE_CACHED);
		}
	}
	return 0;
}

static int tell_cached(struct survey *s, size_t from, size_t to)
{
	uint64_t start = from, stop = to;
	int result = 0;

	if (!has_cache(s->map))
		return 0;
	for (; from < to && !s->full && result == 0; from = stop) {
		if (s->map->backing.in_memory)
			result = fl_backing_storage(&s->map->backing, from, to, &start, &stop);
		if (result == 0)
			result = tell_cached_in(s, start, fl_min(fl_align_up(stop, s->map->page_size), to));
	}
	return result;
}

/* Guard pages look like swap, and so does what a snapshot protects. What was never populated cannot be in it. */
static void tell_swapped(struct survey *s, size_t from, size_t to, unsigned int states)
{
	const struct fl_pageset *populated = &s->map->populated;
	size_t page_size = s->map->page_size, page = from / page_size, end = to / page_size;

	while (page < end && !s->full) {
		fl_lock_take(&s->map->lock);
		size_t first = fl_pageset_next(populated, page, end);
		page = fl_pageset_next_absent(populated, first, end);
		fl_lock_put(&s->map->lock);
		tell(s, first * page_size, page * page_size, states);
	}
}

static bool see(void *context, size_t from, size_t to, unsigned int states)
{
	struct survey *s = context;
	bool marked = s->map->guard.kind == FALLOW_GUARD_KIND_PAGES || s->map->snapshot;

	from += s->offset;
	to += s->offset;
	s->error = tell_cached(s, s->at, from);
	if (s->error != 0)
		return false;
	if (marked && !(states & FALLOW_PAGE_POPULATED)) {
		/* What is a guard or protected here may be cached there. */
		tell_swapped(s, from, to, states);
		s->error = has_cache(s->map) ? tell_cached(s, from, to) : 0;
	} else {
		tell(s, from, to, states);
	}
	s->at = to;
	return !s->full && s->error == 0;
}

static int survey(struct fallow_map *map, size_t offset, size_t length, sink_fn *sink, void *context)
{
	struct survey s = { .map = map, .offset = offset, .at = offset, .sink = sink, .context = context };
	int result = length != 0 ? fl_pagemap_walk(map->base + offset, length, see, &s) : 0;

	if (result != 0)
		return result == -ENOENT || result == -EACCES ? -EOPNOTSUPP : -ENOMEM;
	if (s.error == 0 && !s.full)
		s.error = tell_cached(&s, s.at, offset + length);
	return s.error == 0 ? 0 : -ENOMEM;
}

struct list {
	struct fallow_map_range *ranges;
	size_t room;
	size_t n;
};

static bool add_to_list(void *context, size_t from, size_t to, unsigned int states)
{
	struct list *list = context;
	struct fallow_map_range *last = list->n ? &list->ranges[list->n - 1] : NULL;

	if (last && last->offset + last->length == from && last->states == states) {
		last->length += to - from;
		return true;
	}
	if (list->n == list->room)
		return false;
	list->ranges[list->n++] = (struct fallow_map_range){ from, to - from, states };
	return true;
}

int fallow_map_residency(struct fallow_map *map, size_t offset, size_t length, struct fallow_map_range *ranges,
			 size_t *nranges)
{
	if (map == NULL || ranges == NULL || nranges == NULL || *nranges == 0)
		return -EINVAL;
	struct list list = { .ranges = ranges, .room = *nranges };
	struct fl_range range;
	if (!fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	int result = survey(map, offset, length, add_to_list, &list);
	fl_range_put(&map->ranges, &range);
	if (result == 0)
		*nranges = list.n;
	return result;
}

struct bits {
	const struct fallow_map *map;
	size_t offset;
	unsigned int states;
	uint64_t *bitmap;
};

static bool set_bits(void *context, size_t from, size_t to, unsigned int states)
{
	const struct bits *bits = context;
	size_t page = bits->map->page_size;

	for (size_t at = from; (states & bits->states) && at < to; at += page)
		fl_bitmap_set(bits->bitmap, (at - bits->offset) / page);
	return true;
}

int fallow_map_bitmap(struct fallow_map *map, size_t offset, size_t length, unsigned int states, uint64_t *bitmap)
{
	if (map == NULL || bitmap == NULL)
		return -EINVAL;
	struct bits bits = { .map = map, .offset = offset, .states = states, .bitmap = bitmap };
	struct fl_range range;
	if (!fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	for (size_t i = 0; i < fl_div_up(length / map->page_size, FL_WORD_BITS); i++)
		bitmap[i] = 0;
	int result = survey(map, offset, length, set_bits, &bits);
	fl_range_put(&map->ranges, &range);
	return result;
}
