/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks with an extent of their own.
 */
#include "heap/large.h"

static size_t granules_for(size_t size)
{
	return (size + FL_GRANULE - 1) >> FL_GRANULE_SHIFT;
}

static void count(struct fallow_arena *arena, ptrdiff_t nblocks, ptrdiff_t nbytes)
{
	__atomic_add_fetch(&arena->nlarge, (uint64_t)nblocks, __ATOMIC_RELAXED);
	__atomic_add_fetch(&arena->large, (size_t)nbytes, __ATOMIC_RELAXED);
}

void *fl_large_alloc(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero, struct fl_failure *failure)
{
	size_t n = granules_for(fl_max(size, 1));
	struct fl_extent extent;

	if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX) {
		*failure = (struct fl_failure){ FALLOW_REASON_TOO_LARGE, 0 };
		return NULL;
	}
	*failure = fl_arena_take(arena, arena->blocks, n, alignment, n, FL_USE_UNKNOWN, &extent, zero);
	if (failure->reason != FALLOW_REASON_NONE)
		return NULL;
	struct fl_large *large = fl_descriptor(extent.region, extent.granule);
	*large = (struct fl_large){ arena, extent.region, size, n };
	fl_map_set(extent.region, extent.granule, fl_map_word(FL_ID_LARGE, large));
	count(arena, 1, (ptrdiff_t)size);
	return fl_granule_address(extent.region, extent.granule);
}

void fl_large_free(struct fl_large *large, void *block)
{
	struct fl_extent extent = { large->region, fl_granule_of(large->region, block), large->n };
	struct fallow_arena *arena = large->arena;

	count(arena, -1, -(ptrdiff_t)large->size);
	fl_map_set(extent.region, extent.granule, 0);
	fl_arena_put(arena, &extent, extent.n);
}

static bool grow(struct fl_large *large, size_t granule, size_t more)
{
	bool zero;

	if (!fl_arena_charge(large->arena, large->region, (ptrdiff_t)more))
		return false;
	if (fl_extent_extend(large->region, granule, large->n, more)) {
		if (fl_extent_populate(large->region, granule + large->n, more, FL_USE_UNKNOWN, &zero).reason == FALLOW_REASON_NONE)
			return true;
		fl_extent_put(large->region, granule + large->n, more, 0);
	}
	fl_arena_charge(large->arena, large->region, -(ptrdiff_t)more);
	return false;
}

bool fl_large_resize(struct fl_large *large, void *block, size_t size)
{
	size_t granule = fl_granule_of(large->region, block);
	size_t n = granules_for(size);

	if (size > PTRDIFF_MAX || size == 0)
		return false;
	if (n > large->n && !grow(large, granule, n - large->n))
		return false;
	if (n < large->n) {
		struct fl_extent tail = { large->region, granule + n, large->n - n };
		fl_arena_put(large->arena, &tail, tail.n);
	}
	count(large->arena, 0, (ptrdiff_t)(size - large->size));
	large->n = n;
	large->size = size;
	return true;
}
