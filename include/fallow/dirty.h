/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty tracking: which pages of a map have changed since they were collected last.
 *
 * The kernel keeps watch (asynchronous write protection, Linux 6.7): nobody is called or stopped, a page's first write
 * after it was collected takes about a microsecond longer, and what was collected is watched again in the same instant.
 * So no write is missed, and no page is told of that was not written. Any backing can be tracked. A collection costs 0.2
 * ms for each GiB of small pages when nothing has changed, some 4 to 9 ms when something has, and a page that has turned
 * up since the last one a microsecond more.
 *
 * A page changes when it is written, by the program or by the kernel for it (read(2) into it), through the map; and when
 * fallow_map_discard() takes away what it held. Populating is no change, nor is reading, whether by fault or by call.
 * What a page held when it was last collected is what is compared: one that was not there then, and holds zeros (in a
 * private map of a file: what the file holds) still, has not changed, whether or not they were written.
 *
 * Counted as written although they may hold what they held: a page that a populate for writing finds there, in a shared
 * map of a file on an ordinary filesystem, or in a private map in a process that has forked since the map was created. Not
 * seen: writes to a shared map's file by write(2) or through another mapping, in this process or others.
 *
 * A child of fork is not tracked; it may start anew. Its parent's tracking goes on, and does not see what the child
 * writes to shared memory.
 */
#ifndef FALLOW_DIRTY_H
#define FALLOW_DIRTY_H

#include <fallow/map.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Track all of the map, what a resize adds included. What is there now counts as collected. Writes while this call runs
 * may be told of or not; those after it are. Costs some milliseconds per GiB that is populated, nothing for what is not.
 * -EBUSY: it is tracked already, or registered with another userfaultfd: a snapshot's, or one of the program's.
 * -EOPNOTSUPP: the kernel, or a filter of system calls, does not let us. -EMFILE, -ENFILE: no descriptor left; tracking
 * keeps one. -ENOMEM.
 */
FALLOW_API int fallow_dirty_start(struct fallow_map *map);

enum fallow_dirty_change {
	FALLOW_DIRTY_WRITTEN = 1,   /* it holds something new */
	FALLOW_DIRTY_DISCARDED = 2, /* by itself: it is a hole again; with WRITTEN: it was one in between */
};

struct fallow_dirty_range {
	size_t offset;        /* bytes */
	size_t length;        /* bytes */
	unsigned int changes; /* enum fallow_dirty_change, added up; never 0 */
};

/*
 * Collect the changes in a range: maximal ranges of pages that changed in the same way, in order. What is told of counts
 * as unchanged from then on. *nranges is how many ranges there is room for, and on return how many were filled in: when
 * that is all of them, go on from the end of the last; nothing behind it is lost. Others may write meanwhile: a page that
 * is written after it was collected is dirty again, so copy it after this call.
 * -EINVAL: not whole pages, beyond the map's end, room for none. -ENOENT: the map is not tracked, or not in this child
 * of fork. -EBADF: the program has closed the descriptor of tracking, and changes since then are lost, so stop and start
 * anew; or that of the map's file. -ENOMEM, -EMFILE, -ENFILE. After a failure nothing has been collected.
 */
FALLOW_API int fallow_dirty_collect(struct fallow_map *map, size_t offset, size_t length,
				    struct fallow_dirty_range *ranges, size_t *nranges);

/* Track no longer, and forget what was not collected. -ENOENT: as above. */
FALLOW_API int fallow_dirty_stop(struct fallow_map *map);

#ifdef __cplusplus
}
#endif

#endif
