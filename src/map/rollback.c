/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two bitmaps over the range, on the stack while it is small, else in a mapping that costs what is set in it.
 */
#include "map/rollback.h"

#include <errno.h>

#include "base/bits.h"
#include "map/pagemap.h"
#include "os/kernel.h"
#include "os/os.h"

#define BLOCK_BYTES 512 /* of st_blocks */

static size_t nwords(const struct fl_rollback *r)
{
	return fl_div_up(r->npages, FL_WORD_BITS);
}

static int find_room(struct fl_rollback *r)
{
	void *place = NULL;

	if (nwords(r) <= FL_ROLLBACK_WORDS) {
		for (size_t i = 0; i < 2 * FL_ROLLBACK_WORDS; i++)
			r->room[i] = 0;
		r->there = r->room;
		r->mapped = r->room + FL_ROLLBACK_WORDS;
		return 0;
	}
	int result = fl_os_mmap(&place, 2 * nwords(r) * sizeof(uint64_t), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	r->there = place;
	r->mapped = r->there + nwords(r);
	return result;
}

static void set(uint64_t *bitmap, size_t from, size_t to)
{
	for (; from < to; from++)
		fl_bitmap_set(bitmap, from);
}

/* Page numbers of bytes of the range; a part of a page stands for all of it. */
static void set_bytes(const struct fl_rollback *r, uint64_t *bitmap, uint64_t from, uint64_t to)
{
	set(bitmap, from / r->map->page_size, fl_div_up(to, r->map->page_size));
}

/* Where there are guards, what looks like swap is one of them, unless the map has populated it. */
static bool see_mapped(void *context, size_t from, size_t to, unsigned int states)
{
	const struct fl_rollback *r = context;

	if ((states & FALLOW_PAGE_POPULATED) || r->map->guard.kind == FALLOW_GUARD_KIND_NONE) {
		set_bytes(r, r->mapped, from, to);
		set_bytes(r, r->there, from, to);
	}
	return true;
}

/*
 * Without /proc, or when it is closed to us, as it is to a process that has given up its rights. Huge pages and shared
 * memory are there when they are in memory, or in the file. Of private ordinary memory nobody can say what is in swap: all of
 * it counts as there, so that nothing is lost, and a populate that fails leaves what came in.
 */
static void see_resident(const struct fl_rollback *r)
{
	const struct fl_backing *backing = &r->map->backing;
	unsigned char resident;

	if (!backing->huge && !backing->shared) {
		set(r->there, 0, r->npages);
		return;
	}
	for (size_t page = 0; page < r->npages; page++) {
		if (fl_os_mincore(fl_map_address(r->map, r->first + page), fl_os_page_size(), &resident) == 0 &&
		    (resident & 1)) {
			set(r->mapped, page, page + 1);
			set(r->there, page, page + 1);
		}
	}
}

static bool is_without_proc(int error)
{
	return error == -ENOENT || error == -EACCES || error == -EPERM || error == -EMFILE || error == -ENFILE;
}

static void see_populated(const struct fl_rollback *r)
{
	size_t first = r->first, end = first + r->npages;
	const struct fl_pageset *populated = &r->map->populated;

	fl_lock_take(&r->map->lock);
	for (size_t page = fl_pageset_next(populated, first, end); page < end;) {
		size_t to = fl_pageset_next_absent(populated, page, end);
		set(r->there, page - first, to - first);
		page = fl_pageset_next(populated, to, end);
	}
	fl_lock_put(&r->map->lock);
}

/* Whether the file has more than the map has populated. */
static bool has_more(const struct fallow_map *map, const struct stat *file)
{
	return (uint64_t)file->st_blocks * BLOCK_BYTES > map->populated.count * map->page_size;
}

/* Pages of the pool that others have brought in, or that were in the file before. */
static int see_huge(const struct fl_rollback *r)
{
	struct fallow_map *map = r->map;
	struct stat file;
	int result = fl_backing_check_fd(&map->backing);

	if (result == 0)
		result = fl_os_fstat(map->backing.fd, &file);
	if (result != 0)
		return result;
	fl_lock_take(&map->lock);
	bool more = has_more(map, &file);
	fl_lock_put(&map->lock);
	return more ? fl_backing_find_huge(&map->backing, r->first * map->page_size, r->npages, r->there) : 0;
}

/* The file of a private mapping is not written to: its storage is nobody's concern here. */
static int see_stored(const struct fl_rollback *r)
{
	const struct fl_backing *backing = &r->map->backing;
	uint64_t begin = r->first * r->map->page_size, end = begin + r->npages * r->map->page_size;

	if (!backing->shared || (backing->huge && see_huge(r) == 0))
		return 0;
	for (uint64_t from = begin, start, stop; from < end; from = stop) {
		int result = fl_backing_storage(backing, from, end, &start, &stop);
		if (result != 0)
			return result;
		set_bytes(r, r->there, start - begin, stop - begin);
	}
	return 0;
}

int fl_rollback_begin(struct fl_rollback *r, struct fallow_map *map, size_t first, size_t end)
{
	r->map = map;
	r->first = first;
	r->npages = end - first;
	int result = find_room(r);
	if (result != 0)
		return result;
	result = fl_pagemap_walk((uintptr_t)fl_map_address(map, first), r->npages * map->page_size, see_mapped, r);
	if (is_without_proc(result)) {
		see_resident(r);
		result = 0;
	}
	if (result == 0)
		result = see_stored(r);
	if (result == 0)
		see_populated(r);
	else
		fl_rollback_end(r);
	return result;
}

typedef void pages_fn(struct fallow_map *map, size_t first, size_t end);

/* Call fn for each run of pages whose bit is clear, or set. */
static void for_each_clear(const struct fl_rollback *r, const uint64_t *bitmap, pages_fn *fn)
{
	for (size_t from = fl_bitmap_next_clear(bitmap, r->npages, 0); from < r->npages;) {
		size_t to = fl_bitmap_next(bitmap, r->npages, from);
		fn(r->map, r->first + from, r->first + to);
		from = fl_bitmap_next_clear(bitmap, r->npages, to);
	}
}

static void for_each_set(const struct fl_rollback *r, const uint64_t *bitmap, pages_fn *fn)
{
	for (size_t from = fl_bitmap_next(bitmap, r->npages, 0); from < r->npages;) {
		size_t to = fl_bitmap_next_clear(bitmap, r->npages, from);
		fn(r->map, r->first + from, r->first + to);
		from = fl_bitmap_next(bitmap, r->npages, to);
	}
}

static void unmap(struct fallow_map *map, size_t first, size_t end)
{
	fl_os_madvise(fl_map_address(map, first), (end - first) * map->page_size, MADV_DONTNEED);
}

/* They are in memory: this takes none. */
static void map_again(struct fallow_map *map, size_t first, size_t end)
{
	fl_os_madvise(fl_map_address(map, first), (end - first) * map->page_size, MADV_POPULATE_READ);
}

static void discard(struct fallow_map *map, size_t first, size_t end)
{
	fl_backing_discard(&map->backing, fl_map_address(map, first), (end - first) * map->page_size,
			   first * map->page_size);
}

void fl_rollback_undo(const struct fl_rollback *r)
{
	if (r->map->backing.shared)
		for_each_clear(r, r->mapped, unmap);
	for_each_clear(r, r->there, discard);
	if (r->map->backing.shared)
		for_each_set(r, r->mapped, map_again);
}

void fl_rollback_end(struct fl_rollback *r)
{
	if (r->there != r->room)
		fl_os_munmap(r->there, 2 * nwords(r) * sizeof(uint64_t));
}
