/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of pages: a bit a page, in a tree whose leaves have 32768 bits, 4 KiB. Its cost grows with what was ever in the set and
 * not with its bounds.
 *
 * Pages are named by number. Adding needs leaves, which fl_pageset_reserve() makes; nothing else here can fail. Nothing here
 * locks.
 */
#ifndef FL_MAP_PAGESET_H
#define FL_MAP_PAGESET_H

#include "map/pagetree.h"

struct fl_pageset {
	size_t count; /* pages that are in it */
	struct fl_pagetree tree; /* of 64-bit words */
};

/* An empty set for pages below npages. 0 or -ENOMEM. */
int fl_pageset_create(struct fl_pageset *set, size_t npages);
void fl_pageset_destroy(struct fl_pageset *set);

/* Make it possible to add the pages [first, end). 0 or -ENOMEM. */
int fl_pageset_reserve(struct fl_pageset *set, size_t first, size_t end);

/* Add pages that were reserved; take out any. */
void fl_pageset_add(struct fl_pageset *set, size_t first, size_t end);
void fl_pageset_remove(struct fl_pageset *set, size_t first, size_t end);

/* Take out all from first on. */
void fl_pageset_cut(struct fl_pageset *set, size_t first);

/* How many of [first, end) are in the set. */
size_t fl_pageset_count(const struct fl_pageset *set, size_t first, size_t end);

/* The first page of [first, end) that is in the set, or that is not; end when there is none. */
size_t fl_pageset_next(const struct fl_pageset *set, size_t first, size_t end);
size_t fl_pageset_next_absent(const struct fl_pageset *set, size_t first, size_t end);

#endif
