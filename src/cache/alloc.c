/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocation past the free list: slots that the cache has already, slabs of others, new slabs, and large blocks.
 */
#include <errno.h>

#include "cache/hardened.h"
#include "cache/internal.h"
#include "cache/start.h"
#include "cache/threads.h"
#include "diag/options.h"
#include "diag/valgrind.h"
#include "extent/decay.h"

/* Classes whose slots in hand are returned before a new slab is taken. */
#define SWEPT_CLASSES 8

/* Parked caches looked at for slots before a new slab is taken. */
#define ADOPT_TRIES 4

/* Free slots of the class that this cache has already, or can carve. */
static struct fl_slot *refill_own(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_bin *bin = &cache->bins[class];
	struct fl_slab *slab = bin->first;

	if (slab) {
		struct fl_slot *slots = slab->free;
		fl_cache_withdraw(cache, slab);
		slab->free = NULL;
		slab->state = FL_SLAB_FULL;
		slab->lone = fl_slot_next(slots) == NULL;
		slab->countdown = 1;
		return slots;
	}
	if (bin->carving == NULL)
		return NULL;
	struct fl_slot *slots = fl_slab_carve(bin->carving, failure);
	if (slots && fl_slab_is_carved(bin->carving))
		bin->carving = NULL;
	return slots;
}

/* Take a slab of the class over from a parked cache. */
static bool adopt(struct fl_cache *cache, unsigned int class)
{
	struct fallow_arena *arena = cache->arena;
	struct fl_slab *slab = NULL;

	if (fl_likely(__atomic_load_n(&arena->parked, __ATOMIC_RELAXED) == NULL))
		return false;
	/* An explicit arena's cache is locked here, and whoever holds the arena's lock may wait for it. */
	if (!fl_lock_try(&arena->lock))
		return false;
	struct fl_cache *parked = arena->parked;
	for (int i = 0; parked && slab == NULL && i < ADOPT_TRIES; parked = parked->next_parked, i++) {
		fl_cache_begin(parked);
		fl_cache_empty_inbox(parked);
		slab = parked->bins[class].first;
		if (slab) {
			fl_cache_strip(parked, slab);
			size_t granule = fl_descriptor_granule(slab->region, slab);
			for (size_t g = 0; g < slab->ngranules; g++)
				fl_map_set(slab->region, granule + g, fl_map_word(fl_cache_id(cache), slab));
		}
		fl_cache_end(parked);
	}
	fl_lock_put(&arena->lock);
	if (slab == NULL)
		return false;
	fl_cache_begin(cache);
	cache->bins[class].nslabs++;
	fl_bin_list(&cache->bins[class], slab);
	if (!fl_slab_is_carved(slab) && cache->bins[class].carving == NULL)
		cache->bins[class].carving = slab;
	fl_cache_end(cache);
	return true;
}

/* An empty slab of any class, made one of this class. NULL: none of so many granules. */
static struct fl_slab *recast_spare(struct fl_cache *cache, unsigned int class, size_t ngranules)
{
	for (size_t i = 0; i < FL_NSPARES; i++) {
		struct fl_slab *slab = cache->spares[i];
		if (slab && slab->ngranules == ngranules) {
			fl_cache_begin(cache);
			fl_cache_strip(cache, slab);
			fl_slab_recast(slab, class);
			fl_cache_end(cache);
			return slab;
		}
	}
	return NULL;
}

/* Slots in hand of a class that is not used any more keep a slab from others: return those of some classes in turn. */
static void sweep(struct fl_cache *cache)
{
	fl_cache_begin(cache);
	for (int i = 0; i < SWEPT_CLASSES; i++) {
		fl_cache_return_slots(cache, cache->next_swept);
		cache->next_swept = (uint8_t)((cache->next_swept + 1) % FL_NCLASSES);
	}
	fl_cache_end(cache);
}

static struct fl_slot *refill_new_slab(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_bin *bin = &cache->bins[class];
	/* Of most classes a program has a few blocks only. */
	size_t ngranules = bin->nslabs == 0 ? fl_slab_least(class) : fl_classes[class].ngranules;
	struct fl_slab *slab = recast_spare(cache, class, ngranules);

	if (slab == NULL) {
		sweep(cache);
		slab = recast_spare(cache, class, ngranules);
	}
	if (slab == NULL)
		slab = fl_slab_create(cache->arena, fl_cache_id(cache), class, ngranules, bin->nslabs >= FL_EAGER_SLABS, failure);
	if (slab == NULL)
		return NULL;
	fl_cache_begin(cache);
	cache->frontier = __atomic_load_n(&cache->region->frontier, __ATOMIC_ACQUIRE);
	struct fl_slot *slots = fl_slab_carve(slab, failure);
	if (slots) {
		bin->nslabs++;
		if (!fl_slab_is_carved(slab))
			bin->carving = slab;
	} else {
		fl_slab_destroy(slab, cache->arena);
	}
	fl_cache_end(cache);
	return slots;
}

/* The first of slots; the others are in hand from now on. */
static void *hand_out(struct fl_cache *cache, unsigned int class, struct fl_slot *slots)
{
	cache->heads[class] = fl_slot_next(slots);
	fl_slot_set_mark(slots, NULL);
	fl_unpoison(slots, fl_classes[class].size);
	return slots;
}

static void *alloc_small(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_slot *slots = cache->heads[class];

	if (slots)
		return hand_out(cache, class, slots);
	do {
		fl_cache_begin(cache);
		fl_cache_empty_inbox(cache);
		slots = refill_own(cache, class, failure);
		fl_cache_end(cache);
	} while (slots == NULL && adopt(cache, class));
	if (slots == NULL) {
		fl_cache_send_all(cache);
		slots = refill_new_slab(cache, class, failure);
	}
	/* Slots in hand of other classes may be what keeps memory from this one. */
	if (slots == NULL && fl_cache_flush(cache))
		slots = refill_new_slab(cache, class, failure);
	return slots ? hand_out(cache, class, slots) : NULL;
}

static void *alloc(struct fl_cache *cache, size_t size, size_t alignment, bool *zero, struct fl_failure *failure)
{
	if (fl_unlikely(cache->magazines != NULL))
		return fl_hardened_alloc_any(cache, size, alignment, zero, failure);
	*zero = false;
	if (fl_class_fits(size, alignment))
		return alloc_small(cache, fl_class_of_aligned(size, alignment), failure);
	void *block = fl_large_alloc(cache->arena, size, alignment, zero, failure);
	if (block == NULL && failure->reason != FALLOW_REASON_TOO_LARGE && fl_cache_flush(cache))
		block = fl_large_alloc(cache->arena, size, alignment, zero, failure);
	return block;
}

/* For threads without a cache of their own. */
static void *alloc_shared(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero,
			  struct fl_failure *failure)
{
	void *block = NULL;

	*failure = (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, ENOMEM };
	fl_lock_take(&arena->shared_lock);
	if (arena->shared == NULL) {
		fl_lock_take(&arena->lock);
		arena->shared = fl_cache_create(arena);
		fl_lock_put(&arena->lock);
	}
	if (arena->shared) {
		fl_cache_enter(arena->shared);
		block = alloc(arena->shared, size, alignment, zero, failure);
		fl_cache_leave(arena->shared);
	}
	fl_lock_put(&arena->shared_lock);
	return block;
}

/* One try. */
static void *alloc_of(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero, struct fl_failure *failure)
{
	struct fl_cache *cache = fl_cache_of(arena);

	if (cache == NULL)
		return alloc_shared(arena, size, alignment, zero, failure);
	fl_cache_enter(cache);
	void *block = alloc(cache, size, alignment, zero, failure);
	fl_cache_leave(cache);
	if (arena->is_explicit && arena->region->decay != FL_DECAY_NEVER)
		fl_decay_start();
	else
		fl_decay_consider(arena->region, arena->blocks);
	return block;
}

static void *alloc_watched(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero, struct fl_failure *failure)
{
	fl_valgrind_silence();
	void *block = alloc_of(arena, fl_valgrind_pad(size), alignment, zero, failure);
	if (block != NULL)
		fl_block_watch(block, size);
	fl_valgrind_speak();
	/* Whoever wants zeros writes them, so that the program is told where it counts on them without having asked. */
	*zero = false;
	return block;
}

void *fl_cache_alloc_in(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero)
{
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };
	bool trimmed = false;

	for (unsigned int attempt = 0;; attempt++) {
		void *block = fl_unlikely(fl_valgrind_watches) ? alloc_watched(arena, size, alignment, zero, &failure) :
								 alloc_of(arena, size, alignment, zero, &failure);
		if (block != NULL)
			return block;
		if (arena->is_explicit && !trimmed && failure.reason != FALLOW_REASON_TOO_LARGE) {
			/* What other threads have in hand may be all that is missing. */
			fl_cache_trim(arena);
			trimmed = true;
			attempt--;
			continue;
		}
		if (!fl_arena_retry(arena, size, failure, attempt))
			return NULL;
	}
}

static void *refill(struct fl_cache *cache, unsigned int class, size_t size) __attribute__((noinline));

static void *refill(struct fl_cache *cache, unsigned int class, size_t size)
{
	struct fl_failure failure;

	if (fl_likely(cache->arena != NULL)) {
		fl_cache_begin(cache);
		fl_cache_empty_inbox(cache);
		struct fl_slot *slots = refill_own(cache, class, &failure);
		fl_cache_end(cache);
		if (fl_likely(slots != NULL))
			return hand_out(cache, class, slots);
	}
	return fl_cache_alloc_slow(cache, size, 1, NULL);
}

void *fl_cache_refill(struct fl_cache *cache, unsigned int class, size_t size)
{
	return cache->magazines ? fl_hardened_alloc(cache, class, size) : refill(cache, class, size);
}

void *fl_cache_alloc_slow(struct fl_cache *cache, size_t size, size_t alignment, bool *zero)
{
	bool ignored;
	struct fallow_arena *arena = cache->arena;

	if (arena == NULL) {
		arena = fl_start();
		if (arena == NULL) {
			fl_failure_keep((struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM }, size);
			errno = ENOMEM;
			return NULL;
		}
	}
	return fl_cache_alloc_in(arena, size, alignment, zero ? zero : &ignored);
}
