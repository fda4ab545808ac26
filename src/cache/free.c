/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free, past the owner's own small blocks: what a thread frees of another's, large blocks, and misuse.
 */
#include <string.h>

#include "cache/hardened.h"
#include "cache/internal.h"
#include "cache/threads.h"
#include "diag/message.h"
#include "diag/valgrind.h"

void fl_block_misuse(const char *call, const void *block, const char *kind)
{
	fl_fatal("%s of %p: %s", call, block, kind);
}

void fl_block_misuse_freed(const char *call, const void *block)
{
	fl_block_misuse(call, block, strcmp(call, "free") == 0 ? "double free" : "freed already");
}

/* What is at an address where the map knows no start. */
FL_COLD static void misuse_unmapped(const char *call, const struct fl_region *region, size_t granule, const void *block)
{
	if (region->units[granule / 64].free >> (granule % 64) & 1)
		fl_block_misuse_freed(call, block);
	fl_block_misuse(call, block, "not the start of a block");
}

struct fl_block fl_block_find(const char *call, const void *block)
{
	struct fl_block found = { .region = fl_region_find(block) };

	if (found.region == NULL)
		fl_block_misuse(call, block, "not allocated by fallow");
	found.granule = fl_granule_of(found.region, block);
	if (found.granule >= __atomic_load_n(&found.region->frontier, __ATOMIC_ACQUIRE))
		fl_block_misuse(call, block, "not allocated by fallow");
	found.word = fl_map_get(found.region, found.granule);
	if (found.word == 0)
		misuse_unmapped(call, found.region, found.granule, block);
	return found;
}

static bool contains(const struct fl_slot *slots, const struct fl_slot *slot)
{
	while (slots && slots != slot)
		slots = fl_slot_next(slots);
	return slots != NULL;
}

/*
 * A slot with the mark of a free one. A live block may have copied it: in a slab of this thread the lists tell, what others
 * sent included; elsewhere the link must look like one, too.
 */
static bool is_free(const struct fl_cache *owner, const struct fl_slab *slab, const struct fl_slot *slot, bool own)
{
	if (fl_slot_mark(slot) != slab)
		return false;
	if (!own)
		return fl_slot_next(slot) == NULL || fl_region_find(fl_slot_next(slot)) != NULL;
	return contains(slab->free, slot) || contains(owner->heads[slab->class], slot) ||
	       contains(__atomic_load_n(&owner->inbox, __ATOMIC_ACQUIRE), slot);
}

/* End the process where a small block is not the start of a slot, or a free one. */
static void check_slot(const char *call, const struct fl_block *found, const struct fl_cache *owner, const void *block)
{
	const struct fl_slab *slab = fl_map_descriptor(found->word);
	bool own = __atomic_load_n(&owner->thread, __ATOMIC_RELAXED) == &fl_cache_self;

	if ((uint32_t)((const char *)block - fl_slab_start(slab)) % fl_classes[slab->class].size != 0)
		fl_block_misuse(call, block, "not the start of a block");
	if (is_free(owner, slab, block, own))
		fl_block_misuse_freed(call, block);
}

static void check_large(const char *call, const struct fl_block *found, const void *block)
{
	if (block != fl_granule_address(found->region, found->granule))
		fl_block_misuse(call, block, "not the start of a block");
}

static struct fl_block check(const char *call, const void *block)
{
	struct fl_block found = fl_block_find(call, block);

	if (fl_map_id(found.word) == FL_ID_LARGE) {
		check_large(call, &found, block);
		return found;
	}
	const struct fl_cache *owner = fl_cache_by_id(fl_map_id(found.word));
	if (owner->magazines)
		fl_hardened_check(call, owner->arena->depot, fl_map_descriptor(found.word), block);
	else
		check_slot(call, &found, owner, block);
	return found;
}

struct fl_block fl_block_check(const char *call, const void *block)
{
	fl_valgrind_silence();
	struct fl_block found = check(call, block);
	fl_valgrind_speak();
	return found;
}

static void free_hardened(struct fallow_arena *arena, struct fl_slab *slab, void *block)
{
	struct fl_cache *cache = fl_cache_of(arena);

	fl_hardened_free_slot(cache, arena->depot, slab, block);
}

/* Free a small block of another cache of the process heap, whose region no other arena has. False: it is none. */
static inline bool free_foreign(struct fl_cache *cache, void *block)
{
	size_t granule = ((uintptr_t)block - cache->base) >> FL_GRANULE_SHIFT;

	if (granule >= cache->frontier || cache->arena->is_explicit)
		return false;
	uint64_t word = __atomic_load_n(&cache->map[granule], __ATOMIC_RELAXED);
	struct fl_slab *slab = fl_map_descriptor(word);
	struct fl_slot *slot = block;
	unsigned int id = fl_map_id(word), class = cache->region->classes[granule];
	if (id <= FL_ID_LARGE || id == fl_cache_id(cache) || fl_slot_mark(slot) == slab)
		return false;
	if ((uint32_t)((const char *)block - fl_slab_start(slab)) % fl_classes[class].size != 0)
		return false;
	fl_poison(slot, fl_classes[class].size);
	fl_slot_set_mark(slot, slab);
	fl_cache_free_remote(cache, id, slot, fl_classes[class].size);
	return true;
}

void fl_cache_free_slow(struct fl_cache *cache, void *block)
{
	if (cache->magazines)
		fl_hardened_free(cache, block);
	else if (!free_foreign(cache, block))
		fl_cache_free_generally(cache, block);
}

static void free_generally(struct fl_cache *cache, void *block)
{
	struct fl_block found = fl_block_find("free", block);
	unsigned int id = fl_map_id(found.word);
	if (id == FL_ID_LARGE) {
		check_large("free", &found, block);
		fl_large_free(fl_map_descriptor(found.word), block);
		return;
	}

	struct fl_cache *owner = fl_cache_by_id(id);
	if (fl_unlikely(owner->magazines != NULL)) {
		free_hardened(owner->arena, fl_map_descriptor(found.word), block);
		return;
	}
	struct fl_slot *slot = block;
	struct fl_slab *slab = fl_map_descriptor(found.word);
	bool own = __atomic_load_n(&owner->thread, __ATOMIC_RELAXED) == &fl_cache_self;
	check_slot("free", &found, owner, block);
	fl_poison(slot, fl_classes[slab->class].size);
	fl_slot_set_mark(slot, slab);
	if (own) {
		if (owner != cache)
			fl_cache_enter(owner);
		fl_cache_begin(owner);
		fl_cache_free_own(owner, slab, slot);
		fl_cache_end(owner);
		if (owner != cache)
			fl_cache_leave(owner);
		return;
	}
	if (cache->arena == owner->arena)
		fl_cache_free_remote(cache, id, slot, fl_classes[found.region->classes[found.granule]].size);
	else
		fl_cache_send(owner, slot, slot);
}

void fl_cache_free_generally(struct fl_cache *cache, void *block)
{
	if (block == NULL)
		return;
	fl_valgrind_free(block);
	fl_valgrind_silence();
	free_generally(cache, block);
	fl_valgrind_speak();
}

void fl_cache_free_in(struct fallow_arena *arena, void *block)
{
	struct fl_cache *cache = fl_unlikely(fl_valgrind_watches) ? NULL : fl_cache_of(arena);

	if (cache == NULL) {
		fl_cache_free_slow(fl_cache_none, block);
		return;
	}
	fl_cache_enter(cache);
	fl_cache_free(cache, block);
	fl_cache_leave(cache);
}
