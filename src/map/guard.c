/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guard pages where the kernel has them for the mapping at hand, protection where it has not.
 */
#include "map/guard.h"

#include <errno.h>

#include "base/bits.h"
#include "os/kernel.h"
#include "os/os.h"

#define BLOCK (2 * FL_MIB)
#define NRETRIES 16

static void *address(const struct fl_guard *guard, size_t page)
{
	return (void *)(guard->base + page * guard->page_size);
}

static int protect(const struct fl_guard *guard, size_t first, size_t end, int protection)
{
	return fl_os_mprotect(address(guard, first), (end - first) * guard->page_size, protection);
}

/* Installing stops for signals and when it races with faults: it may be begun again. */
static int advise(const struct fl_guard *guard, size_t first, size_t end, int advice)
{
	int result = -EINTR;

	if (first >= end)
		return 0;
	for (int i = 0; i < NRETRIES && (result == -EINTR || result == -EAGAIN); i++)
		result = fl_os_madvise(address(guard, first), (end - first) * guard->page_size, advice);
	return result;
}

int fl_guard_create(struct fl_guard *guard, uintptr_t base, size_t page_size, size_t npages, size_t npages_most)
{
	*guard = (struct fl_guard){ .base = base, .page_size = page_size, .npages = npages, .block_pages = 1,
				    .kind = FALLOW_GUARD_KIND_ACCESS, .lock = FL_LOCK_INIT(FL_RANK_GUARD) };
	/* The mapping itself says whether it takes guard pages: hugetlb, locked memory and older kernels do not. */
	if (page_size < BLOCK && advise(guard, 0, 1, MADV_GUARD_INSTALL) == 0) {
		guard->kind = FALLOW_GUARD_KIND_PAGES;
		guard->block_pages = BLOCK / page_size;
	}
	return fl_pageset_create(&guard->open, fl_div_up(npages_most, guard->block_pages));
}

void fl_guard_destroy(struct fl_guard *guard)
{
	if (guard->kind != FALLOW_GUARD_KIND_NONE)
		fl_pageset_destroy(&guard->open);
}

/* Make closed blocks [block, block_end) accessible but for what of them lies outside [first, end). */
static int open_blocks(struct fl_guard *guard, size_t block, size_t block_end, size_t first, size_t end)
{
	size_t from = block * guard->block_pages, to = fl_min(block_end * guard->block_pages, guard->npages);
	int result = advise(guard, from, fl_min(first, to), MADV_GUARD_INSTALL);

	if (result == 0)
		result = advise(guard, fl_max(end, from), to, MADV_GUARD_INSTALL);
	if (result == 0)
		result = protect(guard, from, to, PROT_READ | PROT_WRITE);
	if (result == 0)
		fl_pageset_add(&guard->open, block, block_end);
	return result;
}

static int open_pages(struct fl_guard *guard, size_t first, size_t end)
{
	size_t block = first / guard->block_pages, last = fl_div_up(end, guard->block_pages);
	int result = fl_pageset_reserve(&guard->open, block, last);

	while (block < last && result == 0) {
		size_t closed = fl_pageset_next_absent(&guard->open, block, last);
		block = fl_pageset_next(&guard->open, closed, last);
		if (closed < block)
			result = open_blocks(guard, closed, block, first, end);
	}
	/* Also what was closed may have guard pages, from an earlier life as a part of a block. */
	if (result == 0 && guard->kind == FALLOW_GUARD_KIND_PAGES)
		result = advise(guard, first, end, MADV_GUARD_REMOVE);
	return result;
}

int fl_guard_open(struct fl_guard *guard, size_t first, size_t end)
{
	if (guard->kind == FALLOW_GUARD_KIND_NONE)
		return 0;
	fl_lock_take(&guard->lock);
	int result = open_pages(guard, first, end);
	fl_lock_put(&guard->lock);
	return result;
}

/* Guard pages in what is open of [first, end). */
static int fill_open(struct fl_guard *guard, size_t first, size_t end)
{
	int result = 0;

	while (first < end && result == 0) {
		size_t block = first / guard->block_pages, to = fl_min((block + 1) * guard->block_pages, end);
		if (fl_pageset_count(&guard->open, block, block + 1) != 0)
			result = advise(guard, first, to, MADV_GUARD_INSTALL);
		first = to;
	}
	return result;
}

/* Whole blocks lose their access, unless that takes more mappings than there may be: guard pages take none. */
static int close_blocks(struct fl_guard *guard, size_t first, size_t end)
{
	int result = protect(guard, first, end, PROT_NONE);

	if (result == 0)
		fl_pageset_remove(&guard->open, first / guard->block_pages, fl_div_up(end, guard->block_pages));
	else if (guard->kind == FALLOW_GUARD_KIND_PAGES)
		result = fill_open(guard, first, end);
	return result;
}

static int close_pages(struct fl_guard *guard, size_t first, size_t end)
{
	size_t from = fl_div_up(first, guard->block_pages) * guard->block_pages;
	size_t to = end == guard->npages ? end : end / guard->block_pages * guard->block_pages;

	if (from >= to)
		return fill_open(guard, first, end);
	int result = fill_open(guard, first, from);
	if (result == 0)
		result = close_blocks(guard, from, to);
	return result == 0 ? fill_open(guard, to, end) : result;
}

int fl_guard_close(struct fl_guard *guard, size_t first, size_t end)
{
	if (guard->kind == FALLOW_GUARD_KIND_NONE || first >= end)
		return 0;
	fl_lock_take(&guard->lock);
	int result = close_pages(guard, first, end);
	fl_lock_put(&guard->lock);
	return result;
}

/* The last block, if it is open, gets the rest of its pages. */
static int grow(struct fl_guard *guard, size_t npages)
{
	size_t block = guard->npages / guard->block_pages;
	size_t to = fl_min((block + 1) * guard->block_pages, npages);

	if (guard->npages % guard->block_pages == 0 || fl_pageset_count(&guard->open, block, block + 1) == 0)
		return 0;
	int result = advise(guard, guard->npages, to, MADV_GUARD_INSTALL);
	return result == 0 ? protect(guard, guard->npages, to, PROT_READ | PROT_WRITE) : result;
}

int fl_guard_resize(struct fl_guard *guard, size_t npages)
{
	int result = 0;

	if (guard->kind == FALLOW_GUARD_KIND_NONE)
		return 0;
	fl_lock_take(&guard->lock);
	if (npages > guard->npages)
		result = grow(guard, npages);
	else
		fl_pageset_cut(&guard->open, fl_div_up(npages, guard->block_pages));
	if (result == 0)
		guard->npages = npages;
	fl_lock_put(&guard->lock);
	return result;
}
