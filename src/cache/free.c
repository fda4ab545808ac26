/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Free, past the owner's own small blocks: what a thread frees of another's, large blocks, and misuse.
 */
#include "cache/internal.h"
#include "cache/threads.h"
#include "diag/message.h"

static void misuse(const void *block, const char *kind) __attribute__((noreturn));

static void misuse(const void *block, const char *kind)
{
	fl_fatal("free of %p: %s", block, kind);
}

/* What is at an address where the map knows no start. */
static const char *explain(const struct fl_region *region, size_t granule)
{
	if (region->units[granule / 64].free >> (granule % 64) & 1)
		return "double free";
	return "not the start of a block";
}

struct fl_block fl_block_find(const void *block)
{
	struct fl_block found = { .region = fl_region_find(block) };

	if (found.region == NULL)
		misuse(block, "not allocated by fallow");
	found.granule = fl_granule_of(found.region, block);
	if (found.granule >= __atomic_load_n(&found.region->frontier, __ATOMIC_ACQUIRE))
		misuse(block, "not allocated by fallow");
	found.word = fl_map_get(found.region, found.granule);
	if (found.word == 0)
		misuse(block, explain(found.region, found.granule));
	return found;
}

static bool contains(const struct fl_slot *slots, const struct fl_slot *slot)
{
	while (slots && slots != slot)
		slots = slots->next;
	return slots != NULL;
}

/*
 * A slot with the mark of a free one. A live block may have copied it: in a slab of this thread the lists tell, what others
 * sent included; elsewhere the link must look like one, too.
 */
static bool is_free(const struct fl_cache *owner, const struct fl_slab *slab, const struct fl_slot *slot, bool own)
{
	if (slot->slab != slab)
		return false;
	if (!own)
		return slot->next == NULL || fl_region_find(slot->next) != NULL;
	return contains(slab->free, slot) || contains(owner->heads[slab->class], slot) ||
	       contains(__atomic_load_n(&owner->inbox, __ATOMIC_ACQUIRE), slot);
}

/* The slab of a small block that fl_block_find() found, or the end of the process. */
static struct fl_slab *check_slot(const struct fl_block *found, const void *block)
{
	struct fl_slab *slab = fl_map_descriptor(found->word);
	size_t first = fl_descriptor_granule(found->region, slab);
	size_t offset = (size_t)((const char *)block - (const char *)fl_granule_address(found->region, first));

	if (offset % fl_classes[found->region->classes[found->granule]].size != 0)
		misuse(block, "not the start of a block");
	return slab;
}

static void free_large(const struct fl_block *found, void *block)
{
	struct fl_large *large = fl_map_descriptor(found->word);

	if (block != fl_granule_address(found->region, found->granule))
		misuse(block, "not the start of a block");
	fl_large_free(large, block);
}

void fl_cache_free_slow(struct fl_cache *cache, void *block)
{
	if (block == NULL)
		return;
	struct fl_block found = fl_block_find(block);
	unsigned int id = fl_map_id(found.word);
	if (id == FL_ID_LARGE) {
		free_large(&found, block);
		return;
	}

	struct fl_slot *slot = block;
	struct fl_slab *slab = check_slot(&found, block);
	struct fl_cache *owner = fl_cache_by_id(id);
	bool own = __atomic_load_n(&owner->thread, __ATOMIC_RELAXED) == &fl_cache_self;
	if (is_free(owner, slab, slot, own))
		misuse(block, "double free");
	slot->slab = slab;
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

void fl_cache_free_in(struct fallow_arena *arena, void *block)
{
	struct fl_cache *cache = fl_cache_of(arena);

	if (cache == NULL) {
		fl_cache_free_slow(fl_cache_none, block);
		return;
	}
	fl_cache_enter(cache);
	fl_cache_free(cache, block);
	fl_cache_leave(cache);
}
