/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volatile pages by MADV_FREE: the kernel drops a page that is clean, as MADV_FREE leaves it, and no longer drops one
 * that is dirty. So taking back is: make each page dirty, then look for its witness. The other way round, the page may
 * go in between. MADV_POPULATE_WRITE makes a page dirty and leaves its content. Pages that are not in the page table are
 * left alone, as that would bring them in only to learn that they are lost.
 *
 * Huge pages are dropped as a whole (6.18).
 */
#include "map/volatile.h"

#include <errno.h>

#include <fallow/volatile.h>

#include "base/bits.h"
#include "map/pagemap.h"
#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"

/* A walk over pages of a map, from first on. */
struct walk {
	struct fallow_map *map;
	size_t first;
	int result;
	bool marked; /* some page has become volatile */
};

static bool make_set(struct fallow_map *map)
{
	struct fl_volatile *made = fl_meta_alloc(sizeof(*made));

	if (made == NULL)
		return false;
	size_t npages = map->reserve / map->page_size;
	if (fl_pageset_create(&made->pages, npages) != 0)
		goto free_made;
	if (fl_witnesses_create(&made->witnesses, npages) != 0)
		goto destroy_pages;
	__atomic_store_n(&map->volatiles, made, __ATOMIC_RELEASE);
	return true;

destroy_pages:
	fl_pageset_destroy(&made->pages);
free_made:
	fl_meta_free(made, sizeof(*made));
	return false;
}

/* Make it possible for pages [first, end) to be volatile. */
static int reserve(struct fallow_map *map, size_t first, size_t end)
{
	int result = -ENOMEM;

	fl_lock_take(&map->lock);
	if (map->volatiles != NULL || make_set(map))
		result = fl_pageset_reserve(&map->volatiles->pages, first, end);
	if (result == 0)
		result = fl_witnesses_reserve(&map->volatiles->witnesses, first, end);
	fl_lock_put(&map->lock);
	return result;
}

/* The next run of pages of [*first, end) in a set, or not in it: [*first, the end returned). */
static size_t next_run(struct fallow_map *map, const struct fl_pageset *set, bool in, size_t *first, size_t end)
{
	fl_lock_take(&map->lock);
	size_t from = in ? fl_pageset_next(set, *first, end) : fl_pageset_next_absent(set, *first, end);
	size_t to = in ? fl_pageset_next_absent(set, from, end) : fl_pageset_next(set, from, end);
	fl_lock_put(&map->lock);
	*first = from;
	return to;
}

/* Choose witnesses for pages [first, end), which are not volatile, and count them in. */
static void add(struct fallow_map *map, size_t first, size_t end)
{
	for (size_t page = first; page < end; page++)
		*fl_witness_of(&map->volatiles->witnesses, page) =
			fl_witness_choose(fl_map_address(map, page), map->page_size);
	fl_lock_take(&map->lock);
	fl_pageset_add(&map->volatiles->pages, first, end);
	fl_lock_put(&map->lock);
}

static bool reserve_run(void *context, size_t from, size_t to, unsigned int states)
{
	struct walk *walk = context;
	size_t page_size = walk->map->page_size;

	if (!(states & FALLOW_PAGE_ZERO))
		walk->result = reserve(walk->map, walk->first + from / page_size, walk->first + to / page_size);
	return walk->result == 0;
}

/*
 * What came in by a touch since room was made may find none: then it does not become volatile. MADV_FREE is refused for
 * locked memory: then the kernel takes nothing.
 */
static void mark(struct walk *walk, size_t first, size_t end)
{
	struct fallow_map *map = walk->map;

	if (reserve(map, first, end) != 0)
		return;
	for (size_t page = first, to; page < end; page = to) {
		to = next_run(map, &map->volatiles->pages, false, &page, end);
		add(map, page, to);
	}
	fl_os_madvise(fl_map_address(map, first), (end - first) * map->page_size, MADV_FREE);
	walk->marked = true;
}

/* What looks like swap has content, too; where there are guards it may be one of them, unless it is populated. */
static bool mark_run(void *context, size_t from, size_t to, unsigned int states)
{
	struct walk *walk = context;
	struct fallow_map *map = walk->map;
	size_t page = walk->first + from / map->page_size, end = walk->first + to / map->page_size;

	if (states & FALLOW_PAGE_ZERO)
		return true;
	if ((states & FALLOW_PAGE_POPULATED) || map->guard.kind == FALLOW_GUARD_KIND_NONE) {
		mark(walk, page, end);
		return true;
	}
	for (size_t next; (next = next_run(map, &map->populated, true, &page, end)) > page; page = next)
		mark(walk, page, next);
	return true;
}

/*
 * Room first: then nothing has become volatile when there is none. Later, what is volatile stays so; that the kernel may not
 * take some of the rest is no failure.
 */
static int begin(struct fallow_map *map, size_t first, size_t end)
{
	struct walk w = { .map = map, .first = first };
	uintptr_t start = (uintptr_t)fl_map_address(map, first);
	size_t length = (end - first) * map->page_size;
	int result = fl_pagemap_walk(start, length, reserve_run, &w);

	if (result == 0 && w.result == 0)
		result = fl_pagemap_walk(start, length, mark_run, &w);
	if (result == 0 || w.marked)
		return w.result;
	return result == -ENOENT || result == -EACCES ? -EOPNOTSUPP : -ENOMEM;
}

/* Of no length, it is refused only where the kernel does not have it. */
static bool can_be_volatile(const struct fallow_map *map)
{
	return map->backing.kind == FALLOW_BACKING_ANON && !map->backing.shared &&
	       fl_os_madvise((void *)map->base, 0, MADV_FREE) == 0;
}

int fallow_volatile_begin(struct fallow_map *map, size_t offset, size_t length)
{
	struct fl_range range;

	if (map == NULL)
		return -EINVAL;
	if (!can_be_volatile(map))
		return -EOPNOTSUPP;
	if (!fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	int result = length != 0 ? begin(map, range.first, range.end) : 0;
	fl_range_put(&map->ranges, &range);
	return result;
}

/* Make pages that are there dirty, and look at them. */
static bool look_at_run(void *context, size_t from, size_t to, unsigned int states)
{
	struct walk *walk = context;
	struct fallow_map *map = walk->map;
	size_t first = walk->first + from / map->page_size, end = walk->first + to / map->page_size;

	if (states & FALLOW_PAGE_ZERO)
		return true;
	struct fl_failure failure =
		fl_backing_bring_in(&map->backing, FALLOW_POPULATE_WRITE, fl_map_address(map, first),
				    (end - first) * map->page_size, first * map->page_size);
	if (failure.reason != FALLOW_REASON_NONE) {
		fl_failure_keep(failure, (end - first) * map->page_size);
		walk->result = -ENOMEM;
		return false;
	}
	for (size_t page = first; page < end; page++) {
		struct fl_witness *witness = fl_witness_of(&map->volatiles->witnesses, page);
		witness->found = fl_witness_is_in(witness, fl_map_address(map, page));
	}
	return true;
}

/* Find out which of the volatile pages [first, end) have their witness. */
static int look_at(struct fallow_map *map, size_t first, size_t end)
{
	struct walk w = { .map = map, .first = first };
	size_t length = (end - first) * map->page_size;

	for (size_t page = first; page < end; page++)
		fl_witness_of(&map->volatiles->witnesses, page)->found = false;
	/* Without /proc, or a descriptor for it, what is lost comes in to be looked at. */
	if (fl_pagemap_walk((uintptr_t)fl_map_address(map, first), length, look_at_run, &w) != 0)
		look_at_run(&w, 0, length, FALLOW_PAGE_POPULATED);
	return w.result;
}

/* Discard what of the volatile pages [page, end) was not found, and say so from bit on. How many. */
static size_t lose(struct fallow_map *map, size_t page, size_t end, uint64_t *lost, size_t bit)
{
	const struct fl_witnesses *witnesses = &map->volatiles->witnesses;
	size_t n = 0;

	for (size_t to; page < end; page = to) {
		bool found = fl_witness_of(witnesses, page)->found;
		for (to = page + 1; to < end && fl_witness_of(witnesses, to)->found == found; to++)
			;
		for (size_t i = bit; lost && !found && i < bit + to - page; i++)
			fl_bitmap_set(lost, i);
		bit += to - page;
		if (found)
			continue;
		fl_map_discard_held(map, page, to);
		n += to - page;
	}
	return n;
}

/* All are looked at before the first is given up: a failure leaves the whole range volatile. */
static int end_volatile(struct fallow_map *map, size_t first, size_t end, uint64_t *lost, size_t *nlost)
{
	const struct fl_volatile *volatiles = __atomic_load_n(&map->volatiles, __ATOMIC_ACQUIRE);
	size_t page = first, to;

	for (; volatiles && (to = next_run(map, &volatiles->pages, true, &page, end)) > page; page = to) {
		int result = look_at(map, page, to);
		if (result != 0)
			return result;
	}
	for (size_t i = 0; lost && i < fl_div_up(end - first, FL_WORD_BITS); i++)
		lost[i] = 0;
	for (page = first; volatiles && (to = next_run(map, &volatiles->pages, true, &page, end)) > page; page = to)
		*nlost += lose(map, page, to, lost, page - first);
	fl_lock_take(&map->lock);
	fl_volatile_forget(map, first, end);
	fl_lock_put(&map->lock);
	return 0;
}

int fallow_volatile_end(struct fallow_map *map, size_t offset, size_t length, uint64_t *lost, size_t *nlost)
{
	struct fl_range range;
	size_t n = 0;

	if (map == NULL || !fl_map_hold(map, offset, length, &range))
		return -EINVAL;
	int result = end_volatile(map, range.first, range.end, lost, &n);
	fl_range_put(&map->ranges, &range);
	if (result == 0 && nlost)
		*nlost = n;
	return result;
}

void fl_volatile_forget(struct fallow_map *map, size_t first, size_t end)
{
	if (map->volatiles)
		fl_pageset_remove(&map->volatiles->pages, first, end);
}

void fl_volatile_destroy(struct fallow_map *map)
{
	if (map->volatiles == NULL)
		return;
	fl_pageset_destroy(&map->volatiles->pages);
	fl_witnesses_destroy(&map->volatiles->witnesses);
	fl_meta_free(map->volatiles, sizeof(*map->volatiles));
}
