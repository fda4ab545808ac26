/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of maps, apart from what works on it: so that who looks at it from outside links nothing else.
 */
#include "map/maps.h"

struct fl_map_list fl_map_list = { .lock = FL_LOCK_INIT(FL_RANK_MAPS) };
