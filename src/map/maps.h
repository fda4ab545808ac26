/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of maps, for fork: a child puts back the locks that other threads of its parent held.
 */
#ifndef FL_MAP_MAPS_H
#define FL_MAP_MAPS_H

#include "map/map.h"

struct fl_map_list {
	struct fl_lock lock;
	struct fallow_map *first;
	uint64_t version; /* odd while the list changes, for who reads it from outside */
};

extern struct fl_map_list fl_map_list;

void fl_maps_add(struct fallow_map *map);
void fl_maps_remove(struct fallow_map *map);

/* Whether the process has forked since the map was added, or is a child of one that has. */
bool fl_maps_forked(const struct fallow_map *map);

#endif
