/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks with an extent of their own, and the guards behind those of hardened arenas.
 */
#include "heap/large.h"

#include "os/kernel.h"
#include "os/os.h"

static size_t granules_for(size_t size)
{
	return (size + FL_GRANULE - 1) >> FL_GRANULE_SHIFT;
}

static void count(struct fallow_arena *arena, ptrdiff_t nblocks, ptrdiff_t nbytes)
{
	__atomic_add_fetch(&arena->nlarge, (uint64_t)nblocks, __ATOMIC_RELAXED);
	__atomic_add_fetch(&arena->large, (size_t)nbytes, __ATOMIC_RELAXED);
}

/* Granules behind a block that are to trap. */
static size_t guard_for(const struct fallow_arena *arena)
{
	return arena->depot != NULL && arena->blocks->page_granules == 1 ? 1 : 0;
}

/*
 * Make what is behind a block trap; where the kernel cannot (before 6.13) it is only nobody's. Whoever takes it next finds it
 * without memory, so it is given back first.
 */
static void guard(const struct fl_large *large, size_t granule)
{
	size_t behind = granule + large->n;

	if (large->nguard == 0)
		return;
	const struct fl_unit *unit = &large->region->units[behind / FL_UNIT_GRANULES];
	bool present = __atomic_load_n(&unit->present, __ATOMIC_RELAXED) >> (behind % FL_UNIT_GRANULES) & 1;
	if (!present || fl_extent_discard(large->region, behind, large->nguard) == 0)
		fl_os_madvise(fl_granule_address(large->region, behind), large->nguard << FL_GRANULE_SHIFT,
			      MADV_GUARD_INSTALL);
}

static void unguard(const struct fl_large *large, size_t granule)
{
	if (large->nguard != 0)
		fl_os_madvise(fl_granule_address(large->region, granule + large->n), large->nguard << FL_GRANULE_SHIFT,
			      MADV_GUARD_REMOVE);
}

void *fl_large_alloc(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero, struct fl_failure *failure)
{
	size_t n = granules_for(fl_max(size, 1));
	size_t nguard = guard_for(arena);
	struct fl_extent extent;

	if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX) {
		*failure = (struct fl_failure){ FALLOW_REASON_TOO_LARGE, 0 };
		return NULL;
	}
	/* A unit with a guard in it has small pages only: let that be the unit behind. */
	if (nguard != 0 && n >= FL_UNIT_GRANULES)
		alignment = fl_max(alignment, FL_UNIT);
	*failure = fl_arena_take(arena, arena->blocks, n + nguard, alignment, n, FL_USE_UNKNOWN, &extent, zero);
	if (failure->reason != FALLOW_REASON_NONE)
		return NULL;
	struct fl_large *large = fl_descriptor(extent.region, extent.granule);
	*large = (struct fl_large){ arena, extent.region, size, n, nguard };
	guard(large, extent.granule);
	fl_map_set(extent.region, extent.granule, fl_map_word(FL_ID_LARGE, large));
	count(arena, 1, (ptrdiff_t)size);
	return fl_granule_address(extent.region, extent.granule);
}

void fl_large_free(struct fl_large *large, void *block)
{
	size_t granule = fl_granule_of(large->region, block), n = large->n;
	struct fl_extent extent = { large->region, granule, n + large->nguard };
	struct fallow_arena *arena = large->arena;

	unguard(large, granule);
	count(arena, -1, -(ptrdiff_t)large->size);
	fl_map_set(extent.region, extent.granule, 0);
	fl_arena_put(arena, &extent, n);
}

/* Its guard is away, whatever comes of it. */
static bool grow(struct fl_large *large, size_t granule, size_t more)
{
	size_t taken = large->n + large->nguard;
	bool zero;

	if (!fl_arena_charge(large->arena, large->region, (ptrdiff_t)more))
		return false;
	if (fl_extent_extend(large->region, granule, taken, more)) {
		if (fl_extent_populate(large->region, granule + large->n, more, FL_USE_UNKNOWN, &zero).reason == FALLOW_REASON_NONE)
			return true;
		fl_extent_put(large->region, granule + taken, more, 0);
	}
	fl_arena_charge(large->arena, large->region, -(ptrdiff_t)more);
	return false;
}

static void shrink(const struct fl_large *large, size_t granule, size_t n)
{
	size_t kept = n + large->nguard, less = large->n - n;
	struct fl_extent tail = { large->region, granule + kept, less };

	fl_arena_put(large->arena, &tail, less);
}

bool fl_large_resize(struct fl_large *large, void *block, size_t size)
{
	size_t granule = fl_granule_of(large->region, block);
	size_t n = granules_for(size);
	bool done = true;

	if (size > PTRDIFF_MAX || size == 0)
		return false;
	if (n != large->n)
		unguard(large, granule);
	if (n > large->n)
		done = grow(large, granule, n - large->n);
	else if (n < large->n)
		shrink(large, granule, n);
	bool moved = n != large->n;
	if (done) {
		count(large->arena, 0, (ptrdiff_t)(size - large->size));
		large->n = n;
		large->size = size;
	}
	if (moved)
		guard(large, granule);
	return done;
}
