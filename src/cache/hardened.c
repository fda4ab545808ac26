/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking and freeing small blocks with all checks.
 */
#include "cache/hardened.h"

#include "cache/internal.h"

typedef uint64_t words __attribute__((vector_size(16), may_alias));

/* Without a branch on the size, which nobody could predict: slots of hardened arenas have 32 bytes at least. */
#define END 32

static inline bool is_clear(const char *slot, size_t size)
{
	const words *first = (const words *)(const void *)slot;
	const words *last = (const words *)(const void *)(slot + size - END);
	words any = first[0] | first[1] | last[0] | last[1];

	return (any[0] | any[1]) == 0;
}

static inline void clear(char *slot, size_t size)
{
	words *first = (words *)(void *)slot;
	words *last = (words *)(void *)(slot + size - END);

	first[0] = first[1] = last[0] = last[1] = (words){ 0, 0 };
}

static inline uint64_t canary_of(const uint64_t secrets[2], const void *slot)
{
	return (((uintptr_t)slot ^ secrets[0]) * secrets[1]) & ~UINT64_C(0xff);
}

static inline uint64_t *canary_place(const void *slot, size_t size)
{
	return (uint64_t *)((uintptr_t)slot + size - FL_CANARY_SIZE);
}

/* The canary of what should be a live block is not there. */
FL_COLD __attribute__((noreturn)) static void misuse(const char *call, const struct fl_slab *slab, const char *block)
{
	size_t size = fl_classes[slab->class].size, offset = (size_t)(block - fl_slab_start(slab));

	if (offset % size != 0 || offset / size >= slab->ncarved)
		fl_block_misuse(call, block, "not the start of a block");
	if (*canary_place(block, size) == 0)
		fl_block_misuse_freed(call, block);
	fl_block_misuse(call, block, "overflow: bytes behind the block were overwritten");
}

static inline void check(const char *call, const uint64_t secrets[2], const struct fl_slab *slab, size_t size,
			 const void *block)
{
	if (fl_unlikely(*canary_place(block, size) != canary_of(secrets, block)))
		misuse(call, slab, block);
}

/* A slot of a magazine that has some ready. */
static inline void *take(const struct fl_magazines *magazines, struct fl_magazine *magazine)
{
	char **top = magazine->top - 1;
	char *slot = *top;

	magazine->top = top;
	fl_unpoison(slot, magazine->size);
	/* The next one, in time: shuffled slots are nowhere near each other. Below the first there is a word, too. */
	__builtin_prefetch(top[-1], 1);
	if (fl_unlikely(!is_clear(slot, magazine->size)))
		fl_block_misuse("malloc", slot, "use after free: the block was written after it had been freed");
	*canary_place(slot, magazine->size) = canary_of(magazines->secrets, slot);
	return slot;
}

static inline void give(struct fl_magazines *magazines, const struct fl_slab *slab, unsigned int class, void *block)
{
	struct fl_magazine *magazine = &magazines->of[class];
	char **top = magazine->freed_top;

	check("free", magazines->secrets, slab, magazine->size, block);
	clear(block, magazine->size);
	fl_poison(block, magazine->size);
	*top++ = block;
	/* After the slot, for a child of fork. */
	__atomic_store_n(&magazine->freed_top, top, __ATOMIC_RELEASE);
	if (fl_unlikely(top == magazine->freed_end))
		fl_magazine_drain(magazines, class);
}

void *fl_hardened_alloc(struct fl_cache *cache, unsigned int class, size_t size)
{
	struct fl_magazines *magazines = cache->magazines;

	/* The class is good enough for the block, but maybe not for its canary. */
	class += size >= magazines->of[class].too_large;
	if (fl_unlikely(class == FL_NCLASSES))
		return fl_cache_alloc_slow(cache, size, 1, NULL);
	struct fl_magazine *magazine = &magazines->of[class];
	if (fl_unlikely(magazine->top == magazine->ready))
		return fl_cache_alloc_slow(cache, size, 1, NULL);
	return take(magazines, magazine);
}

#define CLASS_ANY (-1)

/* Of a certain class or CLASS_ANY. False: it is none of the arena's own region. */
static inline bool push(struct fl_cache *cache, void *block, int class)
{
	struct fl_magazines *magazines = cache->magazines;
	size_t granule = ((uintptr_t)block - magazines->base) >> FL_GRANULE_SHIFT;

	if (fl_unlikely(granule >= magazines->frontier))
		return false;
	uint64_t word = __atomic_load_n(&magazines->map[granule], __ATOMIC_RELAXED) ^ magazines->key;
	unsigned int its = magazines->classes[granule];
	if (fl_unlikely(word >> FL_ID_SHIFT != 0 || (class != CLASS_ANY && its != (unsigned int)class)))
		return false;
	give(magazines, (const struct fl_slab *)word, its, block);
	return true;
}

void fl_hardened_free(struct fl_cache *cache, void *block)
{
	if (fl_unlikely(!push(cache, block, CLASS_ANY)))
		fl_cache_free_generally(cache, block);
}

bool fl_hardened_delete(struct fl_cache *cache, void *block, size_t size, size_t alignment)
{
	return fl_hardened_fits(size, alignment) && push(cache, block, (int)fl_hardened_class(size, alignment));
}

static bool fill(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_magazines *magazines = cache->magazines;

	/* What is in hand of other classes may be what keeps memory from this one. */
	return magazines->of[class].top != magazines->of[class].ready || fl_magazine_fill(magazines, class, failure) ||
	       (fl_cache_flush(cache) && fl_magazine_fill(magazines, class, failure));
}

void *fl_hardened_alloc_any(struct fl_cache *cache, size_t size, size_t alignment, bool *zero,
			    struct fl_failure *failure)
{
	struct fl_magazines *magazines = cache->magazines;

	if (fl_hardened_fits(size, alignment)) {
		unsigned int class = fl_hardened_class(size, alignment);
		*zero = magazines->of[class].size <= 2 * END;
		return fill(cache, class, failure) ? take(magazines, &magazines->of[class]) : NULL;
	}
	void *block = fl_large_alloc(cache->arena, size, alignment, zero, failure);
	if (block == NULL && failure->reason != FALLOW_REASON_TOO_LARGE && fl_cache_flush(cache))
		block = fl_large_alloc(cache->arena, size, alignment, zero, failure);
	return block;
}

void fl_hardened_free_slot(struct fl_cache *cache, struct fl_depot *depot, struct fl_slab *slab, void *block)
{
	char *slot = block;

	if (cache) {
		give(cache->magazines, slab, slab->class, block);
		return;
	}
	check("free", depot->secrets, slab, fl_classes[slab->class].size, block);
	clear(slot, fl_classes[slab->class].size);
	fl_poison(slot, fl_classes[slab->class].size);
	fl_depot_put(depot, slab->class, &slot, 1);
}

void fl_hardened_check(const char *call, const struct fl_depot *depot, const struct fl_slab *slab, const void *block)
{
	check(call, depot->secrets, slab, fl_classes[slab->class].size, block);
}
