/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small blocks of a hardened arena (FALLOW_CONF=hardened:true): what is checked when they come and go.
 *
 *     live slot   | block, as many bytes as can be used ............ | canary |
 *     free slot   | 0, up to 64 bytes |          | 0, up to 64 bytes, canary too |
 *
 * The canary depends on the slot's address and on secrets; its first byte is zero, so that a string that has lost its end
 * stops there. A free finds it whole, or it was a write past the block's end, or no live block's start: a block is live while
 * it has its canary. A write into a freed block is found when its slot is taken again, if it was near its start or
 * end, which is anywhere in a block of up to 128 bytes. If some program puts a canary back into a freed block and frees it
 * again, that is found when the slot is taken for the second time, or comes home for the second time.
 *
 * A hardened arena's cache has no slots in hand and a frontier of 0, so fl_cache_alloc() and fl_cache_free() always end here.
 */
#ifndef FL_CACHE_HARDENED_H
#define FL_CACHE_HARDENED_H

#include "cache/depot.h"

#define FL_CANARY_SIZE 8

/* Whether a block is a small one, and its class. The smallest class is passed over: see fl_magazines_create(). */
static inline bool fl_hardened_fits(size_t size, size_t alignment)
{
	return size <= FL_SMALL_MOST - FL_CANARY_SIZE && alignment <= FL_SMALL_MOST;
}

static inline unsigned int fl_hardened_class(size_t size, size_t alignment)
{
	return fl_class_of(fl_align_up(fl_max(size, FL_CANARY_SIZE + 1) + FL_CANARY_SIZE, alignment));
}

/* What fl_cache_refill() and fl_cache_free_slow() are in a hardened arena's cache. */
void *fl_hardened_alloc(struct fl_cache *cache, unsigned int class, size_t size);
void fl_hardened_free(struct fl_cache *cache, void *block);

/* Free a small block that was asked for with this size. False: it is none of the arena's own region. */
bool fl_hardened_delete(struct fl_cache *cache, void *block, size_t size, size_t alignment);

/* Any block. NULL with *failure filled in. */
void *fl_hardened_alloc_any(struct fl_cache *cache, size_t size, size_t alignment, bool *zero,
			    struct fl_failure *failure);

/* Free a small block by the calling thread's cache in the arena, or, where it has none (NULL), into the depot. */
void fl_hardened_free_slot(struct fl_cache *cache, struct fl_depot *depot, struct fl_slab *slab, void *block);

/* End the process, whose call it was, where a small block is not live and whole. */
void fl_hardened_check(const char *call, const struct fl_depot *depot, const struct fl_slab *slab, const void *block);

#endif
