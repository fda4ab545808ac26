/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cache's sources share.
 */
#ifndef FL_CACHE_INTERNAL_H
#define FL_CACHE_INTERNAL_H

#include "cache/cache.h"
#include "extent/decay.h"

/* A class with so many slabs is likely to use up one more. */
#define FL_EAGER_SLABS 2

/*
 * Mark the cache as being changed: a child of fork sees the stores of other threads up to some point in their order, so
 * it sees the flag whenever it sees a part of what the flag covers.
 */
static inline void fl_cache_begin(struct fl_cache *cache)
{
	cache->busy = true;
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void fl_cache_end(struct fl_cache *cache)
{
	__atomic_store_n(&cache->busy, false, __ATOMIC_RELEASE);
}

/* An explicit arena's cache is locked around whatever is done to it. */
static inline void fl_cache_enter(struct fl_cache *cache)
{
	if (cache->arena->is_explicit)
		fl_lock_take(&cache->lock);
}

static inline void fl_cache_leave(struct fl_cache *cache)
{
	if (!cache->arena->is_explicit)
		return;
	bool first = __atomic_load_n(&cache->stir, __ATOMIC_RELAXED) == 0;
	__atomic_store_n(&cache->stir, 2, __ATOMIC_RELAXED);
	fl_lock_put(&cache->lock);
	if (first)
		fl_decay_wake();
}

/* Put a slab at the end of its class's list. */
void fl_bin_list(struct fl_bin *bin, struct fl_slab *slab);

/* Take one out, wherever it is. */
void fl_bin_unlist(struct fl_bin *bin, struct fl_slab *slab);

/* Take a slab from its class's list. */
void fl_cache_withdraw(struct fl_cache *cache, struct fl_slab *slab);

/* Take an empty slab from its class for good. */
void fl_cache_strip(struct fl_cache *cache, struct fl_slab *slab);

/* As fl_cache_slab_event(), within fl_cache_begin() and fl_cache_end(), as all that follow. */
void fl_cache_countdown_ended(struct fl_cache *cache, struct fl_slab *slab);

static inline void fl_cache_free_own(struct fl_cache *cache, struct fl_slab *slab, struct fl_slot *slot)
{
	fl_slot_link(slot, slab->free);
	fl_slot_set_mark(slot, slab);
	slab->free = slot;
	if (--slab->countdown == 0)
		fl_cache_countdown_ended(cache, slab);
}

/* Give slots in hand back to their slabs. */
void fl_cache_return_slots(struct fl_cache *cache, unsigned int class);

/* Send slots, linked from first to last, to their owner. */
void fl_cache_send(struct fl_cache *owner, struct fl_slot *first, struct fl_slot *last);

/* Collect a slot of size bytes for its owner. */
void fl_cache_free_remote(struct fl_cache *cache, unsigned int id, struct fl_slot *slot, size_t size);

/* Put slots that are this cache's, or were, into their slabs. */
void fl_cache_free_list(struct fl_cache *cache, struct fl_slot *slot);

/* Put what others have sent into its slabs. */
void fl_cache_take_inbox(struct fl_cache *cache);

static inline void fl_cache_empty_inbox(struct fl_cache *cache)
{
	if (fl_unlikely(__atomic_load_n(&cache->inbox, __ATOMIC_RELAXED) != NULL))
		fl_cache_take_inbox(cache);
}

/* Free any block, as fl_cache_free_slow() does but for small blocks of a hardened arena's cache. */
void fl_cache_free_generally(struct fl_cache *cache, void *block) __attribute__((noinline));

/* A live block, small or large. */
struct fl_block {
	struct fl_region *region;
	size_t granule;
	uint64_t word; /* of the map; not 0 */
};

/* Find what a block is in, or end the process, whose call it was. */
struct fl_block fl_block_find(const char *call, const void *block);

/* The same, and that it is the start of a block that has not been freed, as far as that can be seen. */
struct fl_block fl_block_check(const char *call, const void *block);

/* Under Valgrind: a new block is size bytes, and keeps that in mind. In silence. */
void fl_block_watch(void *block, size_t size);

/* End the process: call was given a wrong block. */
void fl_block_misuse(const char *call, const void *block, const char *kind) __attribute__((noreturn)) FL_COLD;
void fl_block_misuse_freed(const char *call, const void *block) __attribute__((noreturn)) FL_COLD;

#endif
