/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas of volatile objects: runs of pages of one map, taken first-fit by address. See fallow/volatile.h for the contract.
 *
 *     taken    . x x x x x . . x x .        an object is the taken pages from a start to the next start,
 *     starts   . x . . x . . . x . .        or to a page that is not taken
 *
 * Both sets are guarded by the map's lock, which a child of fork gets put back with the map. Which pages an object has lost
 * the map knows: those that do not count as populated.
 */
#include <errno.h>

#include <fallow/volatile.h>

#include "base/bits.h"
#include "map/map.h"
#include "meta/meta.h"

struct fallow_volatile_arena {
	struct fallow_map *map;
	size_t npages;
	struct fl_pageset taken;
	struct fl_pageset starts;
};

/* The pages [first, end) of an object. */
struct object {
	size_t first;
	size_t end;
};

static int create(struct fallow_volatile_arena *arena, size_t limit)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = limit;
	options.name = "fallow volatile";
	int result = fallow_map_create(&options, &arena->map);
	if (result != 0)
		return result;
	arena->npages = arena->map->length / arena->map->page_size;
	result = fl_pageset_create(&arena->taken, arena->npages);
	if (result != 0)
		goto destroy_map;
	result = fl_pageset_create(&arena->starts, arena->npages);
	if (result == 0)
		return 0;

	fl_pageset_destroy(&arena->taken);
destroy_map:
	fallow_map_destroy(arena->map);
	return result;
}

int fallow_volatile_arena_create(size_t limit, struct fallow_volatile_arena **arena)
{
	if (arena == NULL)
		return -EINVAL;
	struct fallow_volatile_arena *made = fl_meta_alloc(sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	int result = create(made, limit);
	if (result == 0)
		*arena = made;
	else
		fl_meta_free(made, sizeof(*made));
	return result;
}

void fallow_volatile_arena_destroy(struct fallow_volatile_arena *arena)
{
	if (arena == NULL)
		return;
	fallow_map_destroy(arena->map);
	fl_pageset_destroy(&arena->taken);
	fl_pageset_destroy(&arena->starts);
	fl_meta_free(arena, sizeof(*arena));
}

/* The first run of n free pages; first is npages when there is none. With the lock held. */
static struct object find(const struct fallow_volatile_arena *arena, size_t n)
{
	for (size_t page = 0, end; page < arena->npages; page = end) {
		size_t first = fl_pageset_next_absent(&arena->taken, page, arena->npages);
		end = fl_pageset_next(&arena->taken, first, fl_min(first + n, arena->npages));
		if (end - first == n)
			return (struct object){ first, end };
	}
	return (struct object){ arena->npages, arena->npages };
}

static struct fl_failure take(struct fallow_volatile_arena *arena, size_t n, struct object *object)
{
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };

	fl_lock_take(&arena->map->lock);
	*object = n <= arena->npages ? find(arena, n) : (struct object){ arena->npages, arena->npages };
	if (object->first == arena->npages)
		failure.reason = FALLOW_REASON_MAP_LIMIT;
	else if (fl_pageset_reserve(&arena->taken, object->first, object->end) != 0 ||
		 fl_pageset_reserve(&arena->starts, object->first, object->first + 1) != 0)
		failure = (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM };
	if (failure.reason == FALLOW_REASON_NONE) {
		fl_pageset_add(&arena->taken, object->first, object->end);
		fl_pageset_add(&arena->starts, object->first, object->first + 1);
	}
	fl_lock_put(&arena->map->lock);
	return failure;
}

static void put(struct fallow_volatile_arena *arena, const struct object *object)
{
	fl_lock_take(&arena->map->lock);
	fl_pageset_remove(&arena->taken, object->first, object->end);
	fl_pageset_remove(&arena->starts, object->first, object->first + 1);
	fl_lock_put(&arena->map->lock);
}

/* False: there is no object at this address. */
static bool find_at(struct fallow_volatile_arena *arena, const void *address, struct object *object)
{
	struct fallow_map *map = arena->map;
	uintptr_t offset = (uintptr_t)address - map->base;
	size_t first = offset / map->page_size, end = arena->npages;

	if ((uintptr_t)address < map->base || offset % map->page_size != 0 || first >= end)
		return false;
	fl_lock_take(&map->lock);
	bool is_start = fl_pageset_count(&arena->starts, first, first + 1) != 0;
	end = fl_pageset_next_absent(&arena->taken, first, end);
	end = fl_pageset_next(&arena->starts, first + 1, end);
	fl_lock_put(&map->lock);
	*object = (struct object){ first, end };
	return is_start;
}

static size_t offset_of(const struct fallow_volatile_arena *arena, const struct object *object)
{
	return object->first * arena->map->page_size;
}

static size_t length_of(const struct fallow_volatile_arena *arena, const struct object *object)
{
	return (object->end - object->first) * arena->map->page_size;
}

static int populate(struct fallow_volatile_arena *arena, const struct object *object)
{
	return fallow_map_populate(arena->map, offset_of(arena, object), length_of(arena, object), FALLOW_POPULATE_WRITE);
}

void *fallow_volatile_alloc(struct fallow_volatile_arena *arena, size_t nbytes)
{
	struct object object;

	if (arena == NULL || nbytes == 0) {
		errno = EINVAL;
		return NULL;
	}
	struct fl_failure failure = take(arena, fl_div_up(nbytes, arena->map->page_size), &object);
	if (failure.reason != FALLOW_REASON_NONE) {
		fl_failure_keep(failure, nbytes);
		errno = ENOMEM;
		return NULL;
	}
	if (populate(arena, &object) != 0) {
		put(arena, &object);
		errno = ENOMEM;
		return NULL;
	}
	return fl_map_address(arena->map, object.first);
}

int fallow_volatile_free(struct fallow_volatile_arena *arena, void *address)
{
	struct object object;

	if (arena == NULL || !find_at(arena, address, &object))
		return -EINVAL;
	int result = fallow_map_discard(arena->map, offset_of(arena, &object), length_of(arena, &object));
	if (result == 0)
		put(arena, &object);
	return result;
}

int fallow_volatile_leave(struct fallow_volatile_arena *arena, void *address)
{
	struct object object;

	if (arena == NULL || !find_at(arena, address, &object))
		return -EINVAL;
	return fallow_volatile_begin(arena->map, offset_of(arena, &object), length_of(arena, &object));
}

/* Which pages of an object are not there; lost may be NULL. How many. */
static size_t find_lost(struct fallow_volatile_arena *arena, const struct object *object, uint64_t *lost)
{
	const struct fl_pageset *populated = &arena->map->populated;
	size_t n = 0;

	for (size_t i = 0; lost && i < fl_div_up(object->end - object->first, FL_WORD_BITS); i++)
		lost[i] = 0;
	fl_lock_take(&arena->map->lock);
	for (size_t page = object->first; page < object->end; page++) {
		page = fl_pageset_next_absent(populated, page, object->end);
		if (page == object->end)
			break;
		if (lost)
			fl_bitmap_set(lost, page - object->first);
		n++;
	}
	fl_lock_put(&arena->map->lock);
	return n;
}

/* Left again when what it lost cannot be had: what survived is there for the next time. */
int fallow_volatile_hold(struct fallow_volatile_arena *arena, void *address, uint64_t *lost, size_t *nlost)
{
	struct object object;

	if (arena == NULL || !find_at(arena, address, &object))
		return -EINVAL;
	int result = fallow_volatile_end(arena->map, offset_of(arena, &object), length_of(arena, &object), NULL, NULL);
	if (result != 0)
		return result;
	size_t n = find_lost(arena, &object, lost);
	if (n != 0)
		result = populate(arena, &object);
	if (result != 0)
		fallow_volatile_begin(arena->map, offset_of(arena, &object), length_of(arena, &object));
	else if (nlost)
		*nlost = n;
	return result;
}
