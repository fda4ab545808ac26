/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty tracking inside: what a map's pages were at the last look, and what has changed since.
 *
 * A page is known when it was there at the last look: it is armed then, or was written since, and the kernel tells which.
 * All other pages were holes. They are not armed, so that nothing is paid for them; one that turns up is armed and then
 * looked at: it was written when it does not hold what a hole does. A write that comes between is in what is seen, one
 * that comes after is noted by the kernel.
 *
 *              turns up, armed, looked at             noted by the kernel
 *        hole  -------------------------->  known  -------------------------->  written
 *         ^                                   |                                    |
 *         +------------ discarded ------------+------------------------------------+
 *
 * The sets are guarded by the map's lock. A page's place in them is changed by whoever holds its range; all ranges are held
 * to start and stop. The sets are reserved together.
 */
#ifndef FL_MAP_DIRTY_H
#define FL_MAP_DIRTY_H

#include <fallow/dirty.h>

#include "map/pageset.h"
#include "map/protect.h"

struct fl_dirty {
	bool tracked;
	bool made; /* the sets are; in a child of fork they are those of its parent, until it starts or destroys the map */
	struct fl_protect protect;
	struct fl_pageset known;
	struct fl_pageset held;      /* when it was collected last, a page held what a hole does not, for all we know */
	struct fl_pageset written;   /* not handed out yet */
	struct fl_pageset discarded; /* not handed out yet */
};

/* With the map, which nobody uses any more. */
void fl_dirty_destroy(struct fallow_map *map);

/* A child of fork: its descriptors speak of its parent. */
void fl_dirty_forked(struct fallow_map *map);

/*
 * The calls below are for those who hold the pages' range. They do nothing when the map is not tracked.
 *
 * A populate for writing brings in pages by a fault for writing, which would count as a write of pages that are known. Of
 * those it only asks for reading, which is enough where they are the map's own. fl_dirty_prepare() makes those unknown
 * that are only borrowed, so that they will be looked at.
 */
int fl_dirty_prepare(struct fallow_map *map, enum fallow_populate mode, size_t first, size_t end);

/* How to bring in pages [page, *next), where the populate's mode is mode. */
enum fallow_populate fl_dirty_mode(struct fallow_map *map, enum fallow_populate mode, size_t page, size_t end,
				   size_t *next);

/* Pages were discarded, or may have been in part. */
void fl_dirty_discarded(struct fallow_map *map, size_t first, size_t end, bool completely);

/* Pages will be guarded. */
void fl_dirty_close(struct fallow_map *map, size_t first, size_t end);

/* The map was mapped up to npages, or will be cut off there. 0 or -errno of fallow_dirty_start(), with nothing changed. */
int fl_dirty_grow(struct fallow_map *map, size_t npages_before, size_t npages);
void fl_dirty_shrink(struct fallow_map *map, size_t npages);

#endif
