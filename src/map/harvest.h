/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The harvest: what the kernel has noted of a tracked map's pages goes into its sets, and is armed again.
 */
#ifndef FL_MAP_HARVEST_H
#define FL_MAP_HARVEST_H

#include "map/map.h"

/* How many pages a harvest should take in one go, and be aligned to: one leaf of each set. */
#define FL_HARVEST_PAGES 32768

/*
 * Of pages [first, end), whose range is held, add those that are written to that set, and those that turned up to the known
 * ones. baseline: nothing counts as written. 0 or -errno: what is not in the sets then is still noted by the kernel.
 */
int fl_harvest(struct fallow_map *map, size_t first, size_t end, bool baseline);

/* The first page of [first, end) from which on there may be something to harvest; end when there is nothing. */
int fl_harvest_next(struct fallow_map *map, size_t first, size_t end, size_t *at);

/* Of pages that a guard kept everybody from, arm those that a shared file has storage for, as known. 0 or -errno. */
int fl_harvest_guarded(struct fallow_map *map, size_t first, size_t end);

#endif
