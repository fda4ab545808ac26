/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extents: taking granules from a region, bringing their memory in, and giving both back.
 *
 *     take ---> populate ---> (use) ---> put ---> decay discards, or the next take finds it present
 *       \____________________________/
 *          put of what was never populated
 */
#ifndef FL_EXTENT_EXTENT_H
#define FL_EXTENT_EXTENT_H

#include "extent/region.h"

/*
 * Take n >= 1 granules at an address aligned to alignment (bytes, a power of two). Runs of up to 64 lie in one unit.
 * Only address space: touch nothing before fl_extent_populate().
 */
struct fl_failure fl_extent_take(struct fl_region *region, size_t n, size_t alignment, size_t *granule);

/* What is known of the memory that a caller wants. */
enum fl_use {
	FL_USE_UNKNOWN, /* the program may never touch it */
	FL_USE_WRITTEN, /* the allocator itself will write to it: on a finite backing it must exist whatever the mode */
	FL_USE_WHOLE,   /* that, and all of it soon: what is left to faults comes in by one call instead, if it can */
};

/*
 * Make the memory of taken granules exist as the region's populate mode says, whole pages of the backing at a time. On
 * success *zero tells whether all of it reads as zero. On failure nothing was populated; the granules stay taken.
 * Idle memory of the region is given back first where a limit or the backing says no.
 */
struct fl_failure fl_extent_populate(struct fl_region *region, size_t granule, size_t n, enum fl_use use, bool *zero);

/*
 * Make taken, populated granules read as zero: memory that comes with faults is given back for it, where that is in small
 * pages, so that what is never used after all takes none.
 */
void fl_extent_zero(struct fl_region *region, size_t granule, size_t n);

/* Give granules back, of which the first ntouched may have been written. Purges what has decayed. */
void fl_extent_put(struct fl_region *region, size_t granule, size_t n, size_t ntouched);

/*
 * Take the more granules that follow n at granule, if they are free: for growing in place, and, with n 0, for taking a
 * certain place. Not populated.
 */
bool fl_extent_extend(struct fl_region *region, size_t granule, size_t n, size_t more);

/* Give the memory of taken granules, whole pages, back at once. 0, or -errno with an unknown part given back. */
int fl_extent_discard(struct fl_region *region, size_t granule, size_t n);

enum fl_purge {
	FL_PURGE_EXPIRED, /* what has been idle for the decay time; huge pages only whole */
	FL_PURGE_ALL,     /* everything idle */
};

/* Give idle memory back. Returns the bytes. */
size_t fl_extent_purge(struct fl_region *region, enum fl_purge which);

#endif
