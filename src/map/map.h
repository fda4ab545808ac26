/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps inside: a claim of addresses, the backing mapped into it from its start, and the set of pages that count as
 * populated.
 *
 *     base                                  length                       reserve
 *     | populated | not | populated | not ...  | claimed, not mapped ...  |
 *
 * Everything that changes pages holds their range (ranges) while it does, and all of them ([0, SIZE_MAX)) to change the
 * length: so length may be read by whoever holds a range. The map's lock guards what is counted, and is held for that
 * only. A page is in the set from the commit of the populate that brings it in to the discard that takes it away;
 * pending are the pages that populates under way would add, which the limit counts as well.
 */
#ifndef FL_MAP_MAP_H
#define FL_MAP_MAP_H

#include <fallow/map.h>

#include "backing/backing.h"
#include "backing/fork.h"
#include "map/dirty.h"
#include "map/guard.h"
#include "map/pageset.h"
#include "map/range.h"
#include "os/lock.h"

struct fallow_map {
	/* Fixed after creation. */
	uintptr_t base;
	size_t reserve; /* bytes claimed */
	size_t page_size;

	struct fl_backing backing; /* changed by resize only */
	size_t length;             /* bytes; atomic, as fallow_map_size() holds nothing */
	struct fl_range_lock ranges;
	struct fl_guard guard;
	struct fl_dirty dirty;

	struct fl_lock lock;
	size_t limit;   /* pages, 0: none */
	size_t pending; /* pages */
	struct fl_pageset populated;
	struct fl_volatile *volatiles; /* NULL until there are any; then for the map's life */
	uint64_t npopulates;
	uint64_t ndiscards;
	uint64_t nfailures;

	struct fallow_snapshot *snapshot; /* being taken, or the chain's; or NULL. Set and read by those who hold ranges */
	uint64_t image[2];                /* the id of the image restored last, or 0; the restoring thread's */

	struct fl_fork_holder holder; /* of private huge pages */
	struct fl_range forking;      /* all, while they are replaced before a fork */

	struct fallow_map *next; /* in the list of maps */
	uint64_t nforks;         /* that the process had made when the map was created */
};

/* Whether [offset, offset + length) is whole pages of the map. The caller holds a range. */
bool fl_map_has(const struct fallow_map *map, size_t offset, size_t length);

/*
 * Hold these pages, which are range's first to end then. The length can change before: false, and nothing is held, when
 * they are no whole pages of the map.
 */
bool fl_map_hold(struct fallow_map *map, size_t offset, size_t length, struct fl_range *range);

/* Discard pages [first, end) of a range that the caller holds. 0 or -errno as fallow_map_discard(). */
int fl_map_discard_held(struct fallow_map *map, size_t first, size_t end);

static inline void *fl_map_address(const struct fallow_map *map, size_t page)
{
	return (void *)(map->base + page * map->page_size);
}

#endif
