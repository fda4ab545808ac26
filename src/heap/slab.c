/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making, carving and giving back slabs.
 */
#include "heap/slab.h"

#include <string.h>

#include "diag/valgrind.h"

/* Slots are carved up to the next multiple of this, so that a small heap touches few pages. */
#define CARVE_STEP (4 * FL_KIB)

/* Near the end of memory there may be no such run. */
static struct fl_failure take(struct fallow_arena *arena, size_t ngranules, size_t least, enum fl_use use, struct fl_extent *extent)
{
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };
	bool zero;

	for (size_t n = ngranules; n >= least; n--) {
		failure = fl_arena_take(arena, arena->region, n, FL_GRANULE, 1, use, extent, &zero);
		if (failure.reason == FALLOW_REASON_NONE)
			break;
	}
	return failure;
}

static enum fl_use use_of(bool eager)
{
	return eager ? FL_USE_WHOLE : FL_USE_WRITTEN;
}

static size_t granule_of(const struct fl_slab *slab)
{
	return fl_descriptor_granule(slab->region, slab);
}

void fl_slab_recast(struct fl_slab *slab, unsigned int class)
{
	slab->free = NULL;
	slab->countdown = 1;
	slab->nslots = (uint16_t)(((size_t)slab->ngranules << FL_GRANULE_SHIFT) / fl_classes[class].size);
	slab->ncarved = 0;
	slab->class = (uint8_t)class;
	slab->state = FL_SLAB_FULL;
	slab->lone = false;
	memset(slab->region->classes + granule_of(slab), (int)class, slab->ngranules);
}

struct fl_slab *fl_slab_create(struct fallow_arena *arena, unsigned int id, unsigned int class, size_t ngranules, bool eager,
			       struct fl_failure *failure)
{
	struct fl_extent extent;

	*failure = take(arena, ngranules, fl_slab_least(class), use_of(eager), &extent);
	if (failure->reason != FALLOW_REASON_NONE)
		return NULL;
	struct fl_slab *slab = fl_descriptor(extent.region, extent.granule);
	*slab = (struct fl_slab){
		.ngranules = (uint8_t)extent.n,
		.npopulated = 1,
		.eager = eager,
		.below = (char *)fl_granule_address(extent.region, extent.granule) - 1,
		.region = extent.region,
	};
	fl_slab_recast(slab, class);
	for (size_t i = 0; i < extent.n; i++)
		fl_map_set(extent.region, extent.granule + i, fl_map_word(id, slab));
	__atomic_add_fetch(&arena->nslabs, 1, __ATOMIC_RELAXED);
	fl_valgrind_hide(fl_slab_start(slab), extent.n << FL_GRANULE_SHIFT);
	return slab;
}

void fl_slab_destroy(struct fl_slab *slab, struct fallow_arena *arena)
{
	struct fl_extent extent = { slab->region, granule_of(slab), slab->ngranules };

	for (size_t i = 0; i < extent.n; i++)
		fl_map_set(extent.region, extent.granule + i, 0);
	__atomic_sub_fetch(&arena->nslabs, 1, __ATOMIC_RELAXED);
	fl_arena_put(arena, &extent, slab->npopulated);
}

/* Bring in the granules that slots up to end bytes lie in. */
static struct fl_failure populate(struct fl_slab *slab, size_t end)
{
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };
	size_t n = (end + FL_GRANULE - 1) >> FL_GRANULE_SHIFT;
	bool zero;

	if (n > slab->npopulated) {
		size_t granule = granule_of(slab) + slab->npopulated;
		failure = fl_extent_populate(slab->region, granule, n - slab->npopulated, use_of(slab->eager), &zero);
		if (failure.reason == FALLOW_REASON_NONE)
			slab->npopulated = (uint8_t)n;
	}
	return failure;
}

size_t fl_slab_extend(struct fl_slab *slab, struct fl_failure *failure)
{
	size_t size = fl_classes[slab->class].size;
	size_t offset = slab->ncarved * size;
	size_t room = fl_align_up(offset + size, CARVE_STEP) - offset;
	size_t n = fl_min(room / size, (size_t)slab->nslots - slab->ncarved);

	*failure = populate(slab, offset + n * size);
	if (failure->reason != FALLOW_REASON_NONE)
		return 0;
	slab->ncarved = (uint16_t)(slab->ncarved + n);
	return n;
}

struct fl_slot *fl_slab_carve(struct fl_slab *slab, struct fl_failure *failure)
{
	size_t size = fl_classes[slab->class].size;
	char *first = fl_slab_start(slab) + slab->ncarved * size;
	size_t n = fl_slab_extend(slab, failure);

	if (n == 0)
		return NULL;
	char *last = first + (n - 1) * size;
	for (char *slot = first; slot < last; slot += size)
		fl_slot_link((struct fl_slot *)slot, (struct fl_slot *)(slot + size));
	fl_slot_link((struct fl_slot *)last, NULL);
	fl_poison(first, n * size);
	if (slab->state == FL_SLAB_LISTED)
		slab->countdown += (uint32_t)n;
	return (struct fl_slot *)first;
}
