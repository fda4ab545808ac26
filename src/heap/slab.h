/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slabs: an extent cut into slots of one class, owned by one cache.
 *
 * Free slots are linked through their first word. Their second word holds the slab's address, which no live block does:
 * a block freed twice is found by it, whatever the program wrote elsewhere. Taking a slot clears the second word.
 *
 * A slab is FULL, in no list, when no free slot is left in it: its slots are live, or in the cache's free list of the
 * class, into which a slab's free list is moved whole. Else it is LISTED. One counter, counted down by each free, tells
 * when something must be done:
 *
 *     FULL    countdown = 1: at the first free the slab is listed
 *     LISTED  countdown = slots carved and not in slab->free; at 0 the slab is empty
 */
#ifndef FL_HEAP_SLAB_H
#define FL_HEAP_SLAB_H

#include "base/poison.h"
#include "heap/arena.h"

enum fl_slab_state {
	FL_SLAB_FULL,
	FL_SLAB_LISTED,
};

struct fl_slot {
	struct fl_slot *next;
	const void *slab; /* the mark of a free slot */
};

/* What else looks into free slots would be told of as a use after free, where there is poison. */
FL_TOUCHES_POISON struct fl_slot *fl_slot_next(const struct fl_slot *slot)
{
	return slot->next;
}

FL_TOUCHES_POISON void fl_slot_link(struct fl_slot *slot, struct fl_slot *next)
{
	slot->next = next;
}

FL_TOUCHES_POISON const void *fl_slot_mark(const struct fl_slot *slot)
{
	return slot->slab;
}

FL_TOUCHES_POISON void fl_slot_set_mark(struct fl_slot *slot, const void *slab)
{
	slot->slab = slab;
}

/* Everything is the owning cache's: its thread's without a lock, or, where the cache's lock is held, the holder's. */
struct fl_slab {
	union {
		struct fl_slot *free;
		uint64_t *bits;   /* of a hardened arena, one for each slot that is free: cache/depot.h */
	};
	uint32_t countdown;
	uint16_t nslots;
	uint16_t ncarved;     /* slots that have ever been handed out; those behind have not been touched */
	uint8_t ngranules;    /* the class's number, or fewer where there was no room for those */
	uint8_t npopulated;   /* granules */
	struct fl_slab *next; /* in the class's list while LISTED */
	struct fl_slab *prev;
	char *below;          /* the byte below the first slot: whoever looks for leaks must not find a block's address here */
	struct fl_region *region;
	uint8_t class;
	uint8_t state;        /* enum fl_slab_state */
	bool lone;            /* had one free slot when its list was taken last */
	bool eager;           /* its memory comes in before it is needed */
	uint8_t spare;        /* 1 + its place among the cache's empty slabs, 0: not one of them */
};

_Static_assert(sizeof(struct fl_slab) <= FL_DESCRIPTOR_SIZE, "descriptors have fixed places");

static inline char *fl_slab_start(const struct fl_slab *slab)
{
	return slab->below + 1;
}

/*
 * Take an extent of ngranules for a slab of the class, or fewer where there is no room for those, and map it to the
 * cache's id; eager: it will be used up soon. NULL with *failure filled in. No locks held.
 */
struct fl_slab *fl_slab_create(struct fallow_arena *arena, unsigned int id, unsigned int class, size_t ngranules, bool eager,
			       struct fl_failure *failure);

/* Granules that one slot of the class needs. */
static inline size_t fl_slab_least(unsigned int class)
{
	return (fl_classes[class].size + FL_GRANULE - 1) >> FL_GRANULE_SHIFT;
}

/* Make an empty slab one of a class with as many granules. */
void fl_slab_recast(struct fl_slab *slab, unsigned int class);

/* Give the extent of an empty slab back. */
void fl_slab_destroy(struct fl_slab *slab, struct fallow_arena *arena);

/*
 * Carve the next slots, about a page of them, populating before they are touched: a list, counted as taken, or NULL with
 * *failure filled in. The slab must not be carved whole.
 */
struct fl_slot *fl_slab_carve(struct fl_slab *slab, struct fl_failure *failure);

/* The same without linking them, or touching them at all: their number, 0 with *failure filled in. */
size_t fl_slab_extend(struct fl_slab *slab, struct fl_failure *failure);

static inline bool fl_slab_is_carved(const struct fl_slab *slab)
{
	return slab->ncarved == slab->nslots;
}

#endif
