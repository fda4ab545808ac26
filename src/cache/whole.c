/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to all caches of an arena: giving back what they have in hand, and forgetting it.
 */
#include <string.h>

#include "cache/internal.h"
#include "cache/threads.h"
#include "diag/options.h"
#include "diag/valgrind.h"
#include "extent/decay.h"

/* Under the arena's lock. */
static bool flush_any(struct fl_cache *cache)
{
	fl_cache_enter(cache);
	fl_cache_send_all(cache);
	bool any = fl_cache_flush(cache);
	fl_cache_leave(cache);
	__atomic_store_n(&cache->stir, 0, __ATOMIC_RELAXED);
	return any;
}

void fl_cache_trim(struct fallow_arena *arena)
{
	struct fl_cache *own = fl_cache_of(arena);

	fl_lock_take(&arena->lock);
	/* Once more: what the first round sends may go to a cache that it had done with. */
	for (int round = 0; round < 2; round++) {
		for (struct fl_cache *cache = arena->caches; cache; cache = cache->next) {
			const void *thread = __atomic_load_n(&cache->thread, __ATOMIC_RELAXED);
			if (cache == own || arena->is_explicit || (thread == NULL && cache != arena->shared))
				flush_any(cache);
		}
	}
	fl_lock_put(&arena->lock);
}

/* Under the arena's lock. */
static bool flush_if_idle(struct fl_cache *cache)
{
	if (__atomic_load_n(&cache->stir, __ATOMIC_RELAXED) == 0 || !fl_lock_try(&cache->lock))
		return false;
	bool idle = __atomic_sub_fetch(&cache->stir, 1, __ATOMIC_RELAXED) == 0;
	fl_lock_put(&cache->lock);
	return idle && flush_any(cache);
}

/* Returns when to look at the arena again, 0: none of its caches is in use. */
static uint64_t flush_arena(struct fallow_arena *arena, uint64_t now)
{
	bool any = false, again = false;

	fl_lock_take(&arena->lock);
	if (now < arena->look_at) {
		fl_lock_put(&arena->lock);
		return arena->look_at;
	}
	for (struct fl_cache *cache = arena->caches; cache; cache = cache->next) {
		any |= flush_if_idle(cache);
		again |= __atomic_load_n(&cache->stir, __ATOMIC_RELAXED) != 0;
	}
	arena->look_at = again ? now + arena->region->decay / 2 + 1 : 0;
	fl_lock_put(&arena->lock);
	if (any)
		fl_arena_purge(arena);
	return arena->look_at;
}

uint64_t fl_cache_flush_idle(uint64_t now)
{
	uint64_t next = 0;

	/* Called with the helper's lock, which whoever destroys an arena takes first. */
	for (struct fallow_arena *arena = NULL; (arena = fl_arena_next(arena)) != NULL;) {
		if (!arena->is_explicit || arena->region->decay == FL_DECAY_NEVER)
			continue;
		uint64_t at = flush_arena(arena, now);
		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	return next;
}

static void forget(struct fl_cache *cache)
{
	memset(cache->heads, 0, sizeof(cache->heads));
	memset(cache->bins, 0, sizeof(cache->bins));
	memset(cache->spares, 0, sizeof(cache->spares));
	memset(cache->outboxes, 0, sizeof(cache->outboxes));
	cache->outgoing = 0;
	cache->inbox = NULL;
}

/* Another arena on the same pool may be going meanwhile, and its caches with it. */
static bool is_of(uint64_t word, const struct fallow_arena *arena)
{
	if (fl_map_id(word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(word))->arena == arena;
	const struct fl_cache *cache = fl_cache_by_id(fl_map_id(word));
	return cache != NULL && cache->arena == arena;
}

/* Under Valgrind: whatever of a slab is live ends. Of what is not it would complain. */
static void end_blocks(const struct fl_slab *slab)
{
	if (fl_likely(!fl_valgrind_watches))
		return;
	fl_valgrind_silence();
	for (size_t i = 0; i < slab->ncarved; i++)
		fl_valgrind_free(fl_slab_start(slab) + i * fl_classes[slab->class].size);
	fl_valgrind_speak();
}

/* Put every extent of the arena in a region. */
static void put_all(struct fallow_arena *arena, struct fl_region *region)
{
	for (size_t granule = 0; granule < region->frontier;) {
		uint64_t word = fl_map_get(region, granule);
		if (word == 0 || !is_of(word, arena)) {
			granule++;
			continue;
		}
		void *descriptor = fl_map_descriptor(word);
		if (fl_map_id(word) == FL_ID_LARGE) {
			size_t n = ((struct fl_large *)descriptor)->n;
			fl_valgrind_free(fl_granule_address(region, granule));
			fl_large_free(descriptor, fl_granule_address(region, granule));
			granule += n;
		} else {
			granule += ((struct fl_slab *)descriptor)->ngranules;
			end_blocks(descriptor);
			fl_slab_destroy(descriptor, arena);
		}
	}
}

void fl_cache_reset_all(struct fallow_arena *arena)
{
	struct fl_region *regions[3];

	fl_lock_take(&arena->lock);
	for (struct fl_cache *cache = arena->caches; cache; cache = cache->next)
		forget(cache);
	fl_lock_put(&arena->lock);
	for (size_t i = 0, n = fl_arena_regions(arena, regions); i < n; i++)
		put_all(arena, regions[i]);
}
