/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which cache is whose: a thread's caches, parked caches, ids, and what fork does to them.
 *
 * A thread's cache in the process heap's arena is fl_cache_self. Those in other arenas are in a table of its own, by the
 * arena's index, each with the arena's serial: an entry of an arena that is gone does not match.
 */
#ifndef FL_CACHE_THREADS_H
#define FL_CACHE_THREADS_H

#include "cache/cache.h"

/* The calling thread's cache in an arena, made or taken over from a parked one at first need. NULL: it has none. */
struct fl_cache *fl_cache_of(struct fallow_arena *arena);

/* The owner of slots whose map word has this id. */
struct fl_cache *fl_cache_by_id(unsigned int id);

/* A cache without thread, for the arena's shared use. NULL: no memory or no id. Under arena->lock. */
struct fl_cache *fl_cache_create(struct fallow_arena *arena);

/*
 * Add an arena to those whose caches take part in fork and thread exit, and take it away with its caches. The process
 * heap's is the first. -ENOMEM: there are 4096 already.
 */
int fl_cache_attach(struct fallow_arena *arena);
void fl_cache_detach(struct fallow_arena *arena);

/* Caches of all arenas; atomic. */
extern size_t fl_ncaches;

/* Caches by their id, NULL where it is free; for who looks from outside. */
extern struct fl_cache *fl_cache_with_id[];

/* All arenas by their index, NULL where there is none; here for who looks from outside. */
struct fl_arena_registry {
	struct fl_lock lock;
	size_t n; /* indices ever used; atomic */
};

extern struct fl_arena_registry fl_arena_registry;
extern struct fallow_arena *fl_arena_by_index[];

/* For each arena in turn, as fl_region_next(). */
struct fallow_arena *fl_arena_next(const struct fallow_arena *after);

/* Register the destructor that parks a thread's caches. Once, before any other thread allocates. */
void fl_cache_start(void);

/* In a child of fork: caches of threads that are gone are parked, but for those that were being changed. */
void fl_cache_fork_child(void);

#endif
