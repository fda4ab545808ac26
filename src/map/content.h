/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of a map have content of their own: those in the page table or in swap, and those for which its file has
 * storage. All others read as zero.
 */
#ifndef FL_MAP_CONTENT_H
#define FL_MAP_CONTENT_H

#include "map/map.h"

/* Add them to an empty set for the map's pages, all of which the caller holds. 0 or -errno. */
int fl_content_find(struct fallow_map *map, struct fl_pageset *pages);

/* Read pages without touching them, so that what is missing is no signal: 0; -EFAULT: cut short by others; -errno. */
int fl_content_read(const struct fallow_map *map, size_t first, size_t end, void *to);

#endif
