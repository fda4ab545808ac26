/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a block is: its size, its arena; and changing its size.
 */
#include <string.h>

#include "cache/hardened.h"
#include "cache/internal.h"
#include "cache/threads.h"
#include "diag/valgrind.h"

/* Bytes that a block has; all of them may be used, unless Valgrind watches. */
static size_t room_of(const struct fl_block *found)
{
	if (fl_map_id(found->word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(found->word))->n << FL_GRANULE_SHIFT;
	size_t size = fl_classes[found->region->classes[found->granule]].size;
	return fl_cache_by_id(fl_map_id(found->word))->magazines ? size - FL_CANARY_SIZE : size;
}

/* What was asked for, behind what may be used of it. */
static size_t *size_place(const struct fl_block *found, const void *block)
{
	return (size_t *)((uintptr_t)block + room_of(found)) - 1;
}

void fl_block_watch(void *block, size_t size)
{
	struct fl_block found = fl_block_find("malloc", block);

	fl_valgrind_hide(block, room_of(&found));
	*size_place(&found, block) = size;
	fl_valgrind_alloc(block, size);
}

/* Bytes that may be used. */
static size_t size_of(const struct fl_block *found, const void *block)
{
	if (fl_likely(!fl_valgrind_watches))
		return room_of(found);
	fl_valgrind_silence();
	size_t size = *size_place(found, block);
	fl_valgrind_speak();
	return size;
}

size_t fl_cache_usable_size(const void *block)
{
	if (block == NULL)
		return 0;
	struct fl_block found = fl_block_check("malloc_usable_size", block);
	return size_of(&found, block);
}

void fl_cache_zero(void *block, size_t size)
{
	/* What the kernel gives back Valgrind does not see. */
	if (fl_unlikely(fl_valgrind_watches)) {
		memset(block, 0, size);
		return;
	}
	struct fl_block found = fl_block_find("calloc", block);
	fl_extent_zero(found.region, found.granule, (size + FL_GRANULE - 1) >> FL_GRANULE_SHIFT);
}

static struct fallow_arena *arena_of(const struct fl_block *found)
{
	if (fl_map_id(found->word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(found->word))->arena;
	return fl_cache_by_id(fl_map_id(found->word))->arena;
}

struct fallow_arena *fl_cache_arena_of(const void *block)
{
	fl_valgrind_silence();
	struct fl_block found = fl_block_find("free", block);
	struct fallow_arena *arena = arena_of(&found);
	fl_valgrind_speak();
	return arena;
}

/* Whether a block of have bytes is good enough for size bytes: it fits, and wastes less than half. */
static bool suits(size_t have, size_t size)
{
	return size <= have && (size >= have / 2 || have <= 64);
}

/* Make it size bytes where it is. Where Valgrind watches everything moves, so that it finds who keeps the old address. */
static bool stays(const struct fl_block *found, void *block, size_t size)
{
	if (fl_unlikely(fl_valgrind_watches))
		return false;
	if (fl_map_id(found->word) == FL_ID_LARGE)
		return size > FL_SMALL_MOST && fl_large_resize(fl_map_descriptor(found->word), block, size);
	return suits(room_of(found), size);
}

static void *resize(struct fl_cache *cache, void *block, size_t size)
{
	if (size == 0) {
		fl_cache_free(cache, block);
		return NULL;
	}
	struct fl_block found = fl_block_check("realloc", block);
	size_t have = size_of(&found, block);
	struct fallow_arena *arena = arena_of(&found);
	if (stays(&found, block, size))
		return block;
	bool ignored;
	void *moved = arena == cache->arena ? fl_cache_alloc(cache, size) : fl_cache_alloc_in(arena, size, 1, &ignored);
	if (moved == NULL)
		return NULL;
	memcpy(moved, block, fl_min(have, size));
	fl_cache_free(cache, block);
	return moved;
}

void *fl_cache_realloc(struct fl_cache *cache, void *block, size_t size)
{
	if (block == NULL)
		return fl_cache_alloc(cache, size);
	fl_valgrind_silence();
	void *moved = resize(cache, block, size);
	fl_valgrind_speak();
	return moved;
}

/* realloc leaves a block in its slot as long as it suits, so the class says nothing of the size, but that it fits. */
void fl_cache_free_sized(struct fl_cache *cache, void *block, size_t size)
{
	if (cache->magazines && block) {
		struct fl_block found = fl_block_check("free", block);
		if (size > size_of(&found, block))
			fl_block_misuse("free", block, "wrong size");
	}
	fl_cache_free(cache, block);
}

/* Whether a block, never resized, can be one of size bytes. */
static bool has_size(const struct fl_block *found, size_t size, size_t alignment)
{
	if (fl_map_id(found->word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(found->word))->size == size;
	if (fl_cache_by_id(fl_map_id(found->word))->magazines == NULL)
		return true;
	return fl_hardened_fits(size, alignment) &&
	       found->region->classes[found->granule] == fl_hardened_class(size, alignment);
}

void fl_cache_delete_slow(struct fl_cache *cache, void *block, size_t size, size_t alignment)
{
	if (cache->magazines && block) {
		if (fl_hardened_delete(cache, block, size, alignment))
			return;
		struct fl_block found = fl_block_check("free", block);
		if (!has_size(&found, size, alignment))
			fl_block_misuse("free", block, "wrong size");
	}
	fl_cache_free_slow(cache, block);
}
