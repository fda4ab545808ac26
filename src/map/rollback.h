/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rollback: remembers which pages of a range are there, and takes away what has come since.
 *
 * A page is there when the map counts it as populated, when the page table has it or swap does, or when a shared file
 * has storage for it. Such a page is never discarded, whatever a populate made of it: others may be writing to it. What
 * came into the page table of a shared file's page is unmapped again, and its content stays; what was in it and was
 * unmapped on the way, as MADV_COLLAPSE does and discarding a part of a huge page, is mapped again.
 */
#ifndef FL_MAP_ROLLBACK_H
#define FL_MAP_ROLLBACK_H

#include "map/map.h"

#define FL_ROLLBACK_WORDS 64

struct fl_rollback {
	struct fallow_map *map;
	size_t first;
	size_t npages;
	uint64_t *there;  /* a bit a page */
	uint64_t *mapped; /* of those, in the page table */
	uint64_t room[2 * FL_ROLLBACK_WORDS];
};

/* Remember pages [first, end), which the caller holds. 0 or -errno, with nothing to end. */
int fl_rollback_begin(struct fl_rollback *rollback, struct fallow_map *map, size_t first, size_t end);

/* Discard what was not there. Best effort: what the kernel does not take back stays. */
void fl_rollback_undo(const struct fl_rollback *rollback);

void fl_rollback_end(struct fl_rollback *rollback);

#endif
