/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared content is the file's, and read there: that brings nothing in and never faults. Private content is read through
 * the page table.
 */
#include "map/content.h"

#include <errno.h>

#include "map/pagemap.h"
#include "os/os.h"

#define BLOCK_BYTES 512 /* of st_blocks */

struct finding {
	const struct fallow_map *map;
	struct fl_pageset *pages;
	int error;
};

static int add(struct finding *f, size_t from, size_t to)
{
	size_t first = from / f->map->page_size, end = fl_div_up(to, f->map->page_size);

	if (f->error == 0)
		f->error = fl_pageset_reserve(f->pages, first, end);
	if (f->error == 0)
		fl_pageset_add(f->pages, first, end);
	return f->error;
}

/* Where there are guards, what looks like swap may be one: then what the map has populated counts. */
static bool see(void *context, size_t from, size_t to, unsigned int states)
{
	struct finding *f = context;

	if ((states & FALLOW_PAGE_POPULATED) || f->map->guard.kind == FALLOW_GUARD_KIND_NONE)
		add(f, from, to);
	return f->error == 0;
}

static int add_populated(struct finding *f)
{
	const struct fl_pageset *populated = &f->map->populated;
	size_t page = f->map->page_size, end = f->map->length / page;

	for (size_t to, from = fl_pageset_next(populated, 0, end); from < end && f->error == 0;) {
		to = fl_pageset_next_absent(populated, from, end);
		add(f, from * page, to * page);
		from = fl_pageset_next(populated, to, end);
	}
	return f->error;
}

/* A private map has its file's pages where nothing of its own is, but not behind a guard: there only what is populated. */
static int add_stored(struct finding *f)
{
	const struct fallow_map *map = f->map;

	if (!map->backing.shared && map->guard.kind != FALLOW_GUARD_KIND_NONE)
		return 0;
	for (uint64_t from = 0, start, stop; from < map->length && f->error == 0; from = stop) {
		f->error = fl_backing_storage(&map->backing, from, map->length, &start, &stop);
		if (f->error == 0 && start < stop)
			add(f, start, stop);
	}
	return f->error;
}

/*
 * hugetlbfs cannot list what it stores, and a child of fork has an empty page table for shared pages. When the file has
 * more than was found, everything counts.
 */
static int add_unlisted(struct finding *f)
{
	const struct fallow_map *map = f->map;
	struct stat stat;

	if (!map->backing.huge || !map->backing.shared || map->backing.fd < 0)
		return 0;
	int result = fl_backing_check_fd(&map->backing);
	if (result == 0)
		result = fl_os_fstat(map->backing.fd, &stat);
	if (result != 0)
		return result;
	uint64_t found = f->pages->count * map->page_size;
	return (uint64_t)stat.st_blocks * BLOCK_BYTES > found ? add(f, 0, map->length) : 0;
}

int fl_content_find(struct fallow_map *map, struct fl_pageset *pages)
{
	struct finding f = { .map = map, .pages = pages };
	int result = fl_pagemap_walk(map->base, map->length, see, &f);

	if (result == 0)
		result = f.error;
	if (result == 0 && map->guard.kind != FALLOW_GUARD_KIND_NONE)
		result = add_populated(&f);
	if (result == 0)
		result = add_stored(&f);
	return result == 0 ? add_unlisted(&f) : result;
}

int fl_content_read(const struct fallow_map *map, size_t first, size_t end, void *to)
{
	size_t length = (end - first) * map->page_size;
	struct iovec from = { fl_map_address(map, first), length }, into = { to, length };
	int result = map->backing.shared ? fl_backing_check_fd(&map->backing) : 0;

	if (result != 0)
		return result;
	ssize_t n = map->backing.shared ? fl_os_pread(map->backing.fd, to, length, first * map->page_size) :
					  fl_os_read_self(&into, 1, &from, 1);
	if (n < 0)
		return (int)n;
	return (size_t)n == length ? 0 : -EFAULT;
}
