/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three steps, for a piece of the map:
 *
 *   1. What is present or in swap and not armed: written if known, else it turned up.
 *   2. What is known and not there at all, nor armed: the kernel has dropped it, from the page table of a file, where what
 *      is armed leaves a mark, or because the program let it (MADV_FREE). So it was written, or is zero now.
 *   3. What a shared file has storage for and is still not known: it was touched and dropped before anybody looked.
 *
 * Huge pages are never dropped.
 *
 * Pages are looked at through the kernel, by reading the file or the own memory: a touch could raise SIGBUS.
 */
#include "map/harvest.h"

#include <errno.h>
#include <string.h>

#include "os/os.h"

#define PIECE 4096 /* bytes looked at in a call; no page is smaller */
#define NRUNS_MOST 64 /* that are looked through one by one, at 2 us each */

struct harvest {
	struct fallow_map *map;
	bool baseline; /* what is there counts as held, not as written */
	bool look;     /* only if it is not as a hole */
	int error;
};

/* Else there is nothing to compare with: the program has closed the descriptor. */
static bool has_its_file(const struct fallow_map *map)
{
	return map->backing.fd < 0 || fl_backing_check_fd(&map->backing) == 0;
}

/* Whether bytes of the map hold what a hole there would. What cannot be read counts as written. */
static bool holds_nothing_new(const struct fallow_map *map, uint64_t offset)
{
	static const char zeros[PIECE];
	char there[PIECE], hole[PIECE];
	int fd = map->backing.fd;
	ssize_t n;

	if (map->backing.shared)
		return fl_os_pread(fd, there, PIECE, offset) == PIECE && memcmp(there, zeros, PIECE) == 0;
	if (fl_os_read_self(&(struct iovec){ there, PIECE }, 1, &(struct iovec){ (char *)map->base + offset, PIECE }, 1) !=
	    PIECE)
		return false;
	if (fd < 0)
		return memcmp(there, zeros, PIECE) == 0;
	n = fl_os_pread(fd, hole, PIECE, offset);
	return n >= 0 && memcmp(there, hole, (size_t)n) == 0 && memcmp(there + n, zeros, PIECE - (size_t)n) == 0;
}

static bool is_as_a_hole(const struct fallow_map *map, size_t page)
{
	uint64_t at = page * map->page_size, end = at + map->page_size;

	while (at < end && holds_nothing_new(map, at))
		at += PIECE;
	return at == end;
}

static void add(struct fallow_map *map, struct fl_pageset *set, size_t first, size_t end)
{
	fl_lock_take(&map->lock);
	fl_pageset_add(set, first, end);
	fl_lock_put(&map->lock);
}

/* The run at page of pages that are all in the set, or all not. */
static bool in_set(struct fallow_map *map, const struct fl_pageset *set, size_t page, size_t end, size_t *run_end)
{
	fl_lock_take(&map->lock);
	bool in = fl_pageset_next(set, page, end) == page;
	*run_end = in ? fl_pageset_next_absent(set, page, end) : fl_pageset_next(set, page, end);
	fl_lock_put(&map->lock);
	return in;
}

/* Pages that are armed by now. Those that are borrowed hold what a hole does. */
static void turn_up(const struct harvest *h, size_t first, size_t end, bool borrowed)
{
	struct fl_dirty *d = &h->map->dirty;
	struct fl_pageset *set = h->baseline ? &d->held : &d->written;
	bool look = h->look && has_its_file(h->map);

	if (!borrowed && !look)
		add(h->map, set, first, end);
	for (size_t page = first; !borrowed && look && page < end; page++) {
		if (!is_as_a_hole(h->map, page))
			add(h->map, set, page, page + 1);
	}
	add(h->map, &d->known, first, end);
}

/* Not the map's own: the zero page, or one of a file that is mapped privately. */
static bool is_borrowed(const struct fallow_map *map, uint64_t categories)
{
	return categories & FL_SCAN_ZERO || (categories & FL_SCAN_FILE && !map->backing.shared);
}

static void take(const struct harvest *h, size_t first, size_t end, uint64_t categories)
{
	struct fallow_map *map = h->map;

	for (size_t page = first, run_end; page < end; page = run_end) {
		if (!in_set(map, &map->dirty.known, page, end, &run_end))
			turn_up(h, page, run_end, is_borrowed(map, categories));
		else if (!h->baseline)
			add(map, &map->dirty.written, page, run_end);
	}
}

/* Guard pages look like swap, and stand where nothing is populated. */
static bool see_taken(void *context, const struct fl_scan_range *range)
{
	const struct harvest *h = context;
	struct fallow_map *map = h->map;
	size_t page = (range->start - map->base) / map->page_size, end = (range->end - map->base) / map->page_size;
	bool may_be_guard = map->guard.kind == FALLOW_GUARD_KIND_PAGES && !(range->categories & FL_SCAN_PRESENT);

	for (size_t run_end = end; page < end; page = run_end) {
		if (!may_be_guard || in_set(map, &map->populated, page, end, &run_end))
			take(h, page, run_end, range->categories);
	}
	return true;
}

static int arm(struct fallow_map *map, size_t first, size_t end)
{
	return fl_protect_arm(&map->dirty.protect, (uintptr_t)fl_map_address(map, first), (end - first) * map->page_size);
}

static bool see_absent(void *context, const struct fl_scan_range *range)
{
	struct harvest *h = context;
	struct fallow_map *map = h->map;
	size_t page = (range->start - map->base) / map->page_size, end = (range->end - map->base) / map->page_size;

	for (size_t run_end; page < end && h->error == 0; page = run_end) {
		if (!in_set(map, &map->dirty.known, page, end, &run_end))
			continue;
		add(map, &map->dirty.written, page, run_end);
		h->error = arm(map, page, run_end);
	}
	return h->error == 0;
}

static int reserve(struct fallow_map *map, size_t first, size_t end)
{
	struct fl_dirty *d = &map->dirty;

	fl_lock_take(&map->lock);
	int result = fl_pageset_reserve(&d->known, first, end);
	if (result == 0)
		result = fl_pageset_reserve(&d->held, first, end);
	if (result == 0)
		result = fl_pageset_reserve(&d->written, first, end);
	if (result == 0)
		result = fl_pageset_reserve(&d->discarded, first, end);
	fl_lock_put(&map->lock);
	return result;
}

/* Pages with storage, none of them known. */
static int take_stored(const struct harvest *h, size_t first, size_t end)
{
	int result = reserve(h->map, first, end);

	if (result == 0)
		result = arm(h->map, first, end);
	if (result == 0)
		turn_up(h, first, end, false);
	return result;
}

/* The first pages of [first, end) that the file has storage for; *start is end when there are none. */
static int find_stored(const struct fallow_map *map, size_t first, size_t end, size_t *start, size_t *stop)
{
	uint64_t from = end * map->page_size, to = from;
	int result = fl_backing_storage(&map->backing, first * map->page_size, from, &from, &to);

	*start = from / map->page_size;
	*stop = fl_div_up(to, map->page_size);
	return result;
}

/* Asking the file takes long where it is full: only for what is not known. */
static int see_stored(const struct harvest *h, size_t first, size_t end)
{
	struct fallow_map *map = h->map;
	size_t start, stop;
	int result = 0;

	for (size_t page = first, run_end; page < end && result == 0; page = run_end) {
		if (in_set(map, &map->dirty.known, page, end, &run_end))
			continue;
		result = find_stored(map, page, run_end, &start, &stop);
		if (result == 0 && start < run_end) {
			result = take_stored(h, start, stop);
			run_end = stop;
		}
	}
	return result;
}

/* Pages that count as populated, or that do not. */
static int see_stored_if(const struct harvest *h, size_t first, size_t end, bool populated)
{
	struct fallow_map *map = h->map;
	int result = 0;

	for (size_t page = first, run_end; page < end && result == 0; page = run_end) {
		if (in_set(map, &map->populated, page, end, &run_end) == populated)
			result = see_stored(h, page, run_end);
	}
	return result;
}

/* Behind a guard nothing is touched unless it is populated, and what is armed there would be in the guard's way. */
static int see_stored_open(const struct harvest *h, size_t first, size_t end)
{
	return h->map->guard.kind == FALLOW_GUARD_KIND_NONE ? see_stored(h, first, end) :
							      see_stored_if(h, first, end, true);
}

/* A file may have storage for pages that nobody asked for: a fault brings in the blocks of a large folio (6.16, ext4). */
int fl_harvest_guarded(struct fallow_map *map, size_t first, size_t end)
{
	const struct harvest h = { .map = map, .baseline = true, .look = true };

	return see_stored_if(&h, first, end, false);
}

int fl_harvest(struct fallow_map *map, size_t first, size_t end, bool baseline)
{
	struct harvest h = { .map = map, .baseline = baseline, .look = !baseline };
	uintptr_t start = (uintptr_t)fl_map_address(map, first), stop = (uintptr_t)fl_map_address(map, end);
	int result = reserve(map, first, end);

	if (result == 0)
		result = fl_protect_take(start, stop, see_taken, &h);
	if (result == 0 && !baseline && !map->backing.huge)
		result = fl_protect_absent(start, stop, see_absent, &h);
	if (result == 0 && h.error == 0 && map->backing.shared && (baseline || !map->backing.huge))
		result = see_stored_open(&h, first, end);
	return result == 0 ? h.error : result;
}

static int find_present(struct fallow_map *map, size_t first, size_t end, size_t *at)
{
	uintptr_t found;
	int result = fl_protect_next((uintptr_t)fl_map_address(map, first), (uintptr_t)fl_map_address(map, end), &found);

	*at = result == 0 ? (found - map->base) / map->page_size : first;
	return result;
}

static int find_written(struct fallow_map *map, size_t first, size_t end, size_t *at)
{
	uintptr_t found;
	int result =
		fl_protect_next_written((uintptr_t)fl_map_address(map, first), (uintptr_t)fl_map_address(map, end), &found);

	*at = result == 0 ? (found - map->base) / map->page_size : first;
	return result;
}

/* Of pages that are not known. */
static int find_new(struct fallow_map *map, size_t first, size_t end, size_t *at)
{
	size_t stop;
	int result = find_present(map, first, end, at);

	if (result == 0 && map->backing.shared && *at > first)
		result = find_stored(map, first, *at, at, &stop);
	return result;
}

/* What is known is looked through several times as fast as the rest. Too many pieces of it are left to a harvest. */
int fl_harvest_next(struct fallow_map *map, size_t first, size_t end, size_t *at)
{
	size_t run_end = first;
	int result = 0;

	*at = first;
	for (int i = 0; i < NRUNS_MOST && *at == run_end && *at < end && result == 0; i++) {
		if (in_set(map, &map->dirty.known, *at, end, &run_end))
			result = find_written(map, *at, run_end, at);
		else
			result = find_new(map, *at, run_end, at);
	}
	return result;
}
