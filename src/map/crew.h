/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crews: threads that bring a range in together, piece by piece, until one of them meets the end of the backing or the
 * caller is told to cancel.
 */
#ifndef FL_MAP_CREW_H
#define FL_MAP_CREW_H

#include "map/map.h"

/*
 * Bring in pages [first, end) as options say, by the calling thread and as many others as the range deserves. 0;
 * -ECANCELED; or -errno with *failure saying why. After a failure an unknown part is in; the other threads have ended
 * in any case.
 */
int fl_crew_bring_in(struct fallow_map *map, size_t first, size_t end, const struct fallow_populate_options *options,
		     struct fl_failure *failure);

#endif
