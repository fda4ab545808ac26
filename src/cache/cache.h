/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Caches: a thread's part of an arena, and the paths that malloc and free take through it.
 *
 * alloc pops the class's free list; free pushes onto the slab's. Neither locks, counts or branches more than it must. The
 * slow paths do not lock either: a cache is its thread's alone, or, parked, whoever's holds the arena's lock. They raise
 * the busy flag, so that a child of fork knows which caches of other threads it found at work, and leaves those alone.
 *
 * Caches of explicit arenas have a lock, which every call of the arena's API takes: so that what idle threads have in
 * hand can be given back by the helper, by a trim, and before a request fails.
 *
 * Blocks freed by another thread go home in batches: each cache collects them by owner in outboxes, and sends a batch
 * by one compare-and-swap onto the owner's inbox, which the owner empties in its slow path (P. Liétar et al., "snmalloc:
 * a message passing allocator", ISMM 2019).
 *
 * When a thread ends its caches are parked, slabs and all; a new thread takes a parked cache over, and a cache that runs
 * out of slots adopts slabs from parked ones.
 */
#ifndef FL_CACHE_CACHE_H
#define FL_CACHE_CACHE_H

#include "heap/large.h"
#include "heap/slab.h"

#define FL_NOUTBOXES 16
#define FL_NSPARES 8

struct fl_bin {
	struct fl_slab *first; /* LISTED slabs, longest listed first */
	struct fl_slab *last;
	struct fl_slab *carving; /* not carved whole; may be listed too */
	size_t nslabs;
};

struct fl_outbox {
	struct fl_slot *first;
	struct fl_slot *last;
	uint32_t id; /* of the owner they go to */
	uint32_t n;
};

struct fl_cache {
	/* The owner thread's, without lock. */
	struct fl_slot *heads[FL_NCLASSES]; /* free slots in hand */
	uint64_t key;                       /* the id, where words of the address map have it */
	uintptr_t base;                     /* the region's, and its map; here they are one load nearer */
	const uint64_t *map;
	size_t frontier;                    /* the region's, or one that it once had */
	struct fl_region *region;           /* the arena's */
	struct fallow_arena *arena;
	struct fl_magazines *magazines;     /* of a hardened arena's cache, which has nothing in hand but these; else NULL */
	const void *thread;                 /* &fl_cache_self of the owner, NULL when parked */
	struct fl_outbox outboxes[FL_NOUTBOXES];
	size_t outgoing;                    /* bytes in outboxes */

	struct fl_lock lock;                /* of an explicit arena's cache: guards all of it */
	uint8_t stir;                       /* atomic; used since the helper looked last: 2, since the look before: 1 */
	bool busy;                          /* in the middle of changing what follows */
	uint8_t next_spare;                 /* the place in spares whose slab goes next */
	uint8_t next_swept;                 /* the class whose slots in hand go back next */
	struct fl_slab *spares[FL_NSPARES]; /* empty slabs, kept for their class and listed there, or for another */
	struct fl_bin bins[FL_NCLASSES];

	/* The arena's, under its lock. */
	struct fl_cache *next;
	struct fl_cache *next_parked;

	struct fl_slot *inbox FL_CACHE_ALIGNED; /* atomic: other threads push, the owner takes all */
};

/* The calling thread's cache in the process heap's arena; fl_cache_none, which has no slots, before the first need. */
extern __thread struct fl_cache *fl_cache_self FL_PURE_TLS;
extern struct fl_cache *const fl_cache_none;

static inline unsigned int fl_cache_id(const struct fl_cache *cache)
{
	return fl_map_id(cache->key);
}

/* A slot of the class, or NULL when the slow path must be taken. */
static inline void *fl_cache_pop(struct fl_cache *cache, unsigned int class)
{
	struct fl_slot **head = &cache->heads[class];

	/* Processors forward a store to a load at once only where both are addressed without an index. */
	__asm__("" : "+r"(head));
	struct fl_slot *slot = *head;
	if (fl_likely(slot != NULL)) {
		*head = fl_slot_next(slot);
		fl_slot_set_mark(slot, NULL);
		fl_unpoison(slot, fl_classes[class].size);
	}
	return slot;
}

/* A slot of the class after the free list has run out; size is what was asked for. NULL with errno ENOMEM. */
void *fl_cache_refill(struct fl_cache *cache, unsigned int class, size_t size) __attribute__((noinline));

/* What every other way of allocating ends in: any size, any alignment (a power of two). NULL with errno ENOMEM. */
void *fl_cache_alloc_slow(struct fl_cache *cache, size_t size, size_t alignment, bool *zero) __attribute__((noinline));

/* Free into an explicit arena. */
void fl_cache_free_in(struct fallow_arena *arena, void *block);

/* Free anything: remote, large, foreign or wrong, without errno. */
void fl_cache_free_slow(struct fl_cache *cache, void *block) __attribute__((noinline));

/* The slab's countdown reached 0. */
void fl_cache_slab_event(struct fl_cache *cache, struct fl_slab *slab) __attribute__((noinline));

static inline void *fl_cache_alloc(struct fl_cache *cache, size_t size)
{
	unsigned int class;

	if (fl_likely(size <= FL_TABLE_MOST))
		class = fl_class_table[(size + 15) / 16];
	else if (size <= FL_SMALL_MOST)
		class = fl_class_of_medium(size);
	else
		return fl_cache_alloc_slow(cache, size, 1, NULL);
	void *block = fl_cache_pop(cache, class);
	return fl_likely(block != NULL) ? block : fl_cache_refill(cache, class, size);
}

/* Free a small block of the cache's own. False: it is none. */
static inline bool fl_cache_push(struct fl_cache *cache, void *block)
{
	struct fl_slot *slot = block;
	size_t granule = ((uintptr_t)block - cache->base) >> FL_GRANULE_SHIFT;

	if (fl_likely(granule < cache->frontier)) {
		uint64_t word = __atomic_load_n(&cache->map[granule], __ATOMIC_RELAXED) ^ cache->key;
		struct fl_slab *slab = (struct fl_slab *)word;
		if (fl_likely(word >> FL_ID_SHIFT == 0 && fl_slot_mark(slot) != slab)) {
			fl_poison(slot, fl_classes[slab->class].size);
			fl_slot_link(slot, slab->free);
			fl_slot_set_mark(slot, slab);
			slab->free = slot;
			if (fl_unlikely(--slab->countdown == 0))
				fl_cache_slab_event(cache, slab);
			return true;
		}
	}
	return false;
}

static inline void fl_cache_free(struct fl_cache *cache, void *block)
{
	if (fl_unlikely(!fl_cache_push(cache, block)))
		fl_cache_free_slow(cache, block);
}

/*
 * Free what the program says has size bytes, which only a hardened heap looks at: programs live with wrong ones elsewhere.
 * As C23's free_sized() it must fit; as C++'s sized delete it must be what was asked for, since no block that was new was
 * ever resized.
 */
void fl_cache_free_sized(struct fl_cache *cache, void *block, size_t size);
void fl_cache_delete_slow(struct fl_cache *cache, void *block, size_t size, size_t alignment) __attribute__((noinline));

static inline void fl_cache_delete(struct fl_cache *cache, void *block, size_t size, size_t alignment)
{
	if (fl_unlikely(!fl_cache_push(cache, block)))
		fl_cache_delete_slow(cache, block, size, alignment);
}

/* Make a block of size bytes, larger than FL_SMALL_MOST, read as zero. */
void fl_cache_zero(void *block, size_t size);

/* Bytes that may be used at a live block; 0 for NULL. Ends the process when it is no block. */
size_t fl_cache_usable_size(const void *block);

/* The arena of a live block, which is not NULL. Ends the process when it is no block. */
struct fallow_arena *fl_cache_arena_of(const void *block);

/* As realloc(3), within the arena that the block is of (cache's own for NULL). */
void *fl_cache_realloc(struct fl_cache *cache, void *block, size_t size);

/* Any size and alignment (a power of two) from an arena, in whatever thread. NULL with errno ENOMEM. */
void *fl_cache_alloc_in(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero);

/* Send what waits in a cache's outboxes. For its thread, or under the arena's lock when it has none. */
void fl_cache_send_all(struct fl_cache *cache);

/* Return slots in hand to their slabs and give empty slabs back. The same callers. True if there were any. */
bool fl_cache_flush(struct fl_cache *cache);

/* Both, for all caches that can be: those of the calling thread, parked ones, and all of an explicit arena's. */
void fl_cache_trim(struct fallow_arena *arena);

/*
 * The helper's look at explicit arenas: flush caches that nobody has used for half the decay time, and give back what that
 * frees. Returns when to look again, 0: nothing is in use.
 */
uint64_t fl_cache_flush_idle(uint64_t now);

/* Forget every block of the arena: no thread may be using it. */
void fl_cache_reset_all(struct fallow_arena *arena);

#endif
