/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The volatile pages of a map, each with its witness. See fallow/volatile.h for the contract.
 *
 * A page is in the set before the kernel may take it, and leaves it after the kernel no longer may: so a child that is
 * forked in between can tell as well.
 */
#ifndef FL_MAP_VOLATILE_H
#define FL_MAP_VOLATILE_H

#include "map/map.h"
#include "map/witness.h"

struct fl_volatile {
	struct fl_pageset pages; /* guarded by the map's lock */
	struct fl_witnesses witnesses;
};

/* Pages [first, end) are discarded, or cut off. The caller holds the range, and the map's lock. */
void fl_volatile_forget(struct fallow_map *map, size_t first, size_t end);

void fl_volatile_destroy(struct fallow_map *map);

#endif
