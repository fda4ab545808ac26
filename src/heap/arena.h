/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas inside: where extents for slabs and large blocks come from, and what happens when they do not.
 *
 * An arena draws on one region, its own or a pool's, and spills into a second one of ordinary memory when told to. Its
 * limit counts what it has taken when the region is shared, and is the region's limit otherwise. The process heap on
 * ordinary memory keeps large blocks in a region of their own, so that long-lived slabs do not pin what comes and goes in
 * megabytes, and each can have the pages that suit it.
 *
 * Words of the address map (region->map): an id in the top 16 bits and a descriptor's address below; 0 where nothing
 * starts. Every granule of a slab has the slab's word, a large block only its first.
 */
#ifndef FL_HEAP_ARENA_H
#define FL_HEAP_ARENA_H

#include <fallow/arena.h>

#include "extent/extent.h"
#include "heap/class.h"

struct fl_cache;
struct fl_depot;

#define FL_ID_SHIFT 48
#define FL_ID_LARGE 1 /* caches have ids from 2 on */

static inline uint64_t fl_map_word(unsigned int id, const void *descriptor)
{
	return (uint64_t)id << FL_ID_SHIFT | (uintptr_t)descriptor;
}

static inline unsigned int fl_map_id(uint64_t word)
{
	return (unsigned int)(word >> FL_ID_SHIFT);
}

static inline void *fl_map_descriptor(uint64_t word)
{
	return (void *)(word & ((UINT64_C(1) << FL_ID_SHIFT) - 1));
}

static inline uint64_t fl_map_get(const struct fl_region *region, size_t granule)
{
	return __atomic_load_n(&region->map[granule], __ATOMIC_RELAXED);
}

static inline void fl_map_set(struct fl_region *region, size_t granule, uint64_t word)
{
	__atomic_store_n(&region->map[granule], word, __ATOMIC_RELAXED);
}

struct fallow_arena {
	/* Fixed after creation. */
	struct fl_region *region;   /* of slabs */
	struct fl_region *blocks;   /* of large blocks: the same region, or one of its own */
	unsigned int index;         /* in threads' tables of caches */
	uint64_t serial;            /* never used twice */
	bool shares_region;         /* the region is a pool's */
	bool is_explicit;           /* not the process heap's: its caches have locks */
	enum fallow_spill spill_mode;
	struct fl_depot *depot;     /* of a hardened arena, else NULL */

	struct fl_region *spill;    /* made at first need, under lock; then fixed */
	fallow_pressure_fn *pressure;
	void *pressure_context;
	size_t limit;               /* of taken, when shares_region; 0: none; atomic */
	size_t taken;               /* bytes of extents from region; atomic */
	size_t spilled;             /* bytes of extents from spill; atomic */
	uint64_t nfailures;         /* atomic */
	uint64_t nlarge;            /* blocks; atomic */
	size_t large;               /* bytes; atomic */
	uint64_t nslabs;            /* atomic */

	struct fl_lock spill_lock;  /* held while spill is made */
	struct fl_lock lock;        /* guards what follows */
	struct fl_cache *caches;    /* all, by next */
	struct fl_cache *parked;    /* those without a thread, by next_parked */
	size_t nparked;
	uint64_t look_at;           /* when the helper looks at the caches next, milliseconds; 0: as soon as it can */
	struct fl_cache *shared;    /* for threads without one, used under shared_lock */
	struct fl_lock shared_lock;
};

struct fl_arena_options {
	struct fl_region_options region;
	bool separate_blocks;            /* large blocks in a region of their own; no limit, then */
	struct fl_region *shared_region; /* draw from this one instead: a pool's */
	size_t limit;                    /* of taken, with a shared region */
	enum fallow_spill spill;
};

/* Fill in an arena, which is zeroed, and make its region. 0, or -errno with nothing kept. */
int fl_arena_create(struct fallow_arena *arena, const struct fl_arena_options *options);

/* The arena's regions, distinct: their number. */
size_t fl_arena_regions(const struct fallow_arena *arena, struct fl_region *regions[static 3]);

/* Give back everything idle. Returns the bytes. */
size_t fl_arena_purge(struct fallow_arena *arena);

/* Let its regions go. Caches are gone before, and its extents put where the region stays. */
void fl_arena_destroy(struct fallow_arena *arena);

/* An extent in hand. */
struct fl_extent {
	struct fl_region *region;
	size_t granule;
	size_t n;
};

/* A large block's descriptor. */
struct fl_large {
	struct fallow_arena *arena;
	struct fl_region *region;
	size_t size;   /* bytes asked for, 0 < size <= n granules */
	size_t n;      /* granules */
	size_t nguard; /* granules behind it that nobody may touch */
};

_Static_assert(sizeof(struct fl_large) <= FL_DESCRIPTOR_SIZE, "descriptors have fixed places");

/*
 * Take an extent from region, which is arena->region or arena->blocks, or by spilling, and populate its first npopulate
 * granules, use as for fl_extent_populate(). *zero: those read as zero.
 * Without locks held. On failure nothing is taken.
 */
struct fl_failure fl_arena_take(struct fallow_arena *arena, struct fl_region *region, size_t n, size_t alignment,
				size_t npopulate, enum fl_use use, struct fl_extent *extent, bool *zero);

/* Give an extent back; ntouched as for fl_extent_put(). */
void fl_arena_put(struct fallow_arena *arena, const struct fl_extent *extent, size_t ntouched);

/* Count n granules more (or, negative, fewer) of a region as taken. False, uncounted, when the limit says no. */
bool fl_arena_charge(struct fallow_arena *arena, const struct fl_region *region, ptrdiff_t n);

/*
 * A request for size bytes failed the attempt-th time: ask on_pressure whether to try again. False: the failure is kept
 * and counted, errno is ENOMEM. Without locks held.
 */
bool fl_arena_retry(struct fallow_arena *arena, size_t size, struct fl_failure failure, unsigned int attempt) FL_COLD;

#endif
