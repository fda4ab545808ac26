/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper: a thread that purges regions when their idle memory has decayed while the program does nothing.
 *
 * Regions purge themselves whenever extents are put. Only a program that falls idle needs the helper, so it is started
 * no sooner than there is something worth waiting for: for an explicit arena, when the process heap is on huge pages, or has
 * reached 4 MiB in a program that has threads, or 128 MiB. libc serves a process of one thread in ways that one of
 * two misses: fork within a signal handler during a fork is one. It is never started while freeing, which libc does under
 * locks of its own that pthread_create() needs. All signals are blocked in it. It ends when the program's last thread has
 * ended, so that libc ends the process.
 */
#ifndef FL_EXTENT_DECAY_H
#define FL_EXTENT_DECAY_H

#include "extent/region.h"

/*
 * What else the helper does each time it looks, before it purges. Returns when it should look again, in milliseconds as
 * fl_os_clock_ms() has them; 0: not on its account. Set before the helper starts; the same function always.
 */
typedef uint64_t fl_decay_hook(uint64_t now);
void fl_decay_set_hook(fl_decay_hook *hook);

/* Start the helper if it does not run. Without any lock held. That it could not be started is no error. */
void fl_decay_start(void);

/* Start it if two regions are together large enough to deserve it. Without any lock held, and not while freeing. */
void fl_decay_consider(const struct fl_region *one, const struct fl_region *other);

/* A region's purge_at has been set. */
void fl_decay_wake(void);

/* The calling thread is about to end: the helper must not keep a process alive of which nothing else is left. */
void fl_decay_thread_ends(void);

/* Give back everything idle in all regions, unless the helper is at work. Returns the bytes. */
size_t fl_decay_purge_all(void);

/* Keep the helper away from regions, and all regions and arenas from being destroyed. */
void fl_decay_pause(void);
void fl_decay_resume(void);

/* In a child: the helper did not come along. */
void fl_decay_fork_child(void);

#endif
