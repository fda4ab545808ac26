/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The depot of a hardened arena: its slabs, and the magazines of free slots by which caches draw on them.
 *
 * The scheme is that of J. Bonwick and J. Adams, "Magazines and Vmem" (USENIX 2001). A cache has two magazines a class, and
 * they hold slots of whichever slabs: blocks come from the one that is ready, and what is freed goes into the other. When the
 * first is empty, what has waited longest in the other follows, shuffled; what has just been freed stays back. What they
 * lack or have too much of they exchange with the depot, some at a time, under the lock of the class's bin.
 *
 * Nothing links free slots, so there is no link that a program could spoil. Which slots a slab has is said by a bit a slot,
 * in fallow's own memory. A bin lists the slabs that have any; a slab's countdown is the slots that it has not, which are in
 * magazines or the program's.
 */
#ifndef FL_CACHE_DEPOT_H
#define FL_CACHE_DEPOT_H

#include "cache/cache.h"

struct fl_magazine {
	char **top;       /* ready slots: [ready, top) */
	char **freed_top; /* freed ones: [freed, freed_top) */
	char **freed_end;
	char **ready;
	char **freed;
	uint32_t most;    /* that either holds */
	uint32_t size;    /* of a slot */
	uint32_t too_large; /* from so many bytes on a block needs the next class */
} FL_CACHE_ALIGNED;

/* A cache's, and guarded as it is. */
struct fl_magazines {
	uintptr_t base;          /* as in struct fl_cache; here they lie together */
	const uint64_t *map;
	const uint8_t *classes;
	size_t frontier;
	uint64_t key;            /* of the depot's slabs */
	uint64_t secrets[2];     /* of canaries */
	uint64_t random;
	struct fl_magazine of[FL_NCLASSES];
	struct fl_depot *depot;
};

struct fl_depot_bin {
	struct fl_lock lock FL_CACHE_ALIGNED; /* guards what follows, and those slabs */
	struct fl_bin slabs;
	char **stock;         /* slots on their way from cache to cache, past their slabs */
	size_t nstock;
	size_t most;
};

struct fl_depot {
	/* Fixed after creation. */
	struct fallow_arena *arena;
	uint64_t key;                  /* of the cache that all slabs are mapped to: the arena's shared one */
	uint64_t secrets[2];
	uint64_t inverse[FL_NCLASSES]; /* 2^32 / (size / 16), rounded up */

	struct fl_depot_bin bins[FL_NCLASSES];
};

/* Make the arena a hardened one, before its first block. 0 or -ENOMEM. */
int fl_depot_create(struct fallow_arena *arena);

/* Empty magazines for a cache; NULL: no memory. */
struct fl_magazines *fl_magazines_create(struct fl_depot *depot);

/* Make slots of the class ready, of which there are none. False with *failure filled in when there is no memory for any. */
bool fl_magazine_fill(struct fl_magazines *magazines, unsigned int class, struct fl_failure *failure);

/* Return to their slabs what has waited longest of the freed slots of a class, of which there are as many as can be. */
void fl_magazine_drain(struct fl_magazines *magazines, unsigned int class);

/* Return everything. True if there was any. */
bool fl_magazines_flush(struct fl_magazines *magazines);

/* Return n > 0 slots of a class to their slabs. */
void fl_depot_put(struct fl_depot *depot, unsigned int class, char *const *slots, size_t n);

/* In a child of fork: mend bins whose lock was held. */
void fl_depot_fork_child(struct fallow_arena *arena);

#endif
