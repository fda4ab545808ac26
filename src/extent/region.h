/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions: an address range with one backing, cut into granules of 32 KiB, 64 of which make a unit of 2 MiB.
 *
 *     region   | unit 0 | unit 1 | unit 2 | ... frontier ........ reserved, not mapped ........ |
 *     unit     | g g g g g g ... 64 granules |      free, present and dirty: one bit a granule each
 *
 * An extent is a run of granules that somebody has taken. Units are filled first-fit by address, so that the memory in
 * use lies in as few of them as possible. What a region costs grows with its frontier, not with what it reserves.
 *
 * take and put hand out address space; populate brings its memory in, and discarding happens later, by decay: idle
 * memory (free and present) is given back once nothing of its unit has been put for the decay time.
 *
 * The region's lock guards all but what is said to be fixed. It is not held while the kernel brings memory in or takes
 * it back: granules on their way are taken, and so nobody else's.
 */
#ifndef FL_EXTENT_REGION_H
#define FL_EXTENT_REGION_H

#include "backing/backing.h"
#include "backing/fork.h"
#include "base/base.h"
#include "meta/table.h"
#include "os/lock.h"

#define FL_GRANULE_SHIFT 15
#define FL_GRANULE ((size_t)1 << FL_GRANULE_SHIFT)
#define FL_UNIT_GRANULES 64
#define FL_UNIT (FL_GRANULE * FL_UNIT_GRANULES)
#define FL_GROUP_UNITS 64

/* Bytes of a descriptor: what the heap knows of an extent, kept at its first granule's index. */
#define FL_DESCRIPTOR_SIZE 64

struct fl_unit {
	uint64_t free;       /* granules that can be taken */
	uint64_t present;    /* granules that may have memory */
	uint64_t dirty;      /* of these, may read as other than zero */
	uint32_t idle_since; /* when a granule was put last, low half of milliseconds */
	uint8_t longest;     /* longest run in free */
	bool closed;         /* inaccessible, to give its commit charge back: opened by populate */
	bool huge;           /* advised to be a huge page: a fault brings in all of it */
	bool split;          /* is to be, once it is discarded whole: it has small pages */
	bool arriving;       /* is being brought in whole: not to be purged */
	bool whole;          /* was brought in as one huge page where a memory cgroup has a limit */
};

struct fl_unit_range {
	size_t from;
	size_t to;
};

/* Which of 64 units have a free run of at least 1 << k granules, and which have idle memory to look at. */
struct fl_group {
	uint64_t fit[7];
	uint64_t idle;
};

struct fl_region {
	/* Fixed after creation. */
	uintptr_t base;
	size_t nreserved;         /* granules; base + nreserved granules is the end */
	size_t page_granules;     /* granules in a page of the backing, at least 1 */
	bool tries_huge;          /* huge pages are timed before more of them are wished for */
	bool held;                /* a pool's: never discarded */
	bool gated;               /* what comes in must pass the gate */
	bool provable;            /* units can come in with proof */
	size_t metadata_length;   /* of the claim that holds the tables */
	uintptr_t metadata_base;
	uint64_t *map;            /* a word a granule, the heap's */
	uint8_t *classes;         /* a byte a granule, the heap's */
	char *descriptors;        /* FL_DESCRIPTOR_SIZE a granule, the heap's */
	struct fl_unit *units;
	struct fl_group *groups;

	size_t frontier;          /* granules that are mapped; written under lock, read by anyone */

	struct fl_lock populate_lock; /* held while pages larger than a granule come in */
	struct fl_lock lock FL_CACHE_ALIGNED;
	struct fl_backing backing;
	struct fl_table tables[5];
	size_t limit;             /* bytes of present, 0: none */
	size_t taken;             /* bytes */
	size_t present;           /* bytes */
	size_t advise_from;       /* granules of frontier from which on memory is advised to be huge */
	struct fl_unit_range untried; /* units mapped since, of which one is to be tried */
	size_t nsplit;            /* units */
	uint64_t decay;           /* milliseconds or FL_DECAY_NEVER */
	uint64_t purge_at;        /* when to look for idle memory, 0: nothing is idle */
	uint32_t npurging;        /* purges that have granules in hand */
	uint32_t nwaiting;        /* threads that wait for one of them */
	uint32_t npurged;         /* purges that have put theirs back; atomic; a futex */
	uint64_t npopulates;
	uint64_t ndiscards;
	struct fl_fork_holder holder; /* of private huge pages */
	int8_t uncharge;          /* commit charges are worth giving back: -1 unknown */
};

/* A region and where it lies; see region.c for how it is read. */
struct fl_region_slot {
	uint64_t version;
	uintptr_t base;
	size_t length;            /* bytes; 0: no region */
	struct fl_region *region; /* NULL: none */
};

/* All regions there are; here for who looks from outside. */
struct fl_region_registry {
	struct fl_lock lock;
	size_t nslots; /* slots ever used */
};

extern struct fl_region_registry fl_region_registry;
extern struct fl_region_slot fl_region_slots[];

struct fl_region_options {
	struct fl_backing_options backing;
	size_t reserve;   /* bytes, rounded up to units and pages */
	size_t limit;     /* bytes, rounded down to pages; 0: none */
	uint64_t decay;   /* milliseconds or FL_DECAY_NEVER */
	enum fallow_thp thp;
	size_t huge_from; /* bytes of frontier from which on memory is advised to be huge, unless thp is never */
	bool held;
	bool gate_faults; /* what is left to faults must pass the gate as well */
};

/* 0, or -errno with nothing kept. */
int fl_region_create(const struct fl_region_options *options, struct fl_region **region);

/* Unmap everything; a shared file's pages are punched out. Nobody may be using the region. */
void fl_region_destroy(struct fl_region *region);

/*
 * The region that an address lies in, mapped or not; NULL when it is none of ours. Takes no lock, whatever is created and
 * destroyed meanwhile; the region lasts as long as there is memory in use in it.
 */
struct fl_region *fl_region_find(const void *address);

/* For each region in turn: NULL starts, NULL ends. With nothing destroyed meanwhile (fl_decay_pause()). */
struct fl_region *fl_region_next(const struct fl_region *after);

/* Make the tables cover granules below ngranules. Under the region's lock. 0 or -errno. */
int fl_region_grow_tables(struct fl_region *region, size_t ngranules);

/* Bytes. A limit below what is present is kept to from now on. */
void fl_region_set_limit(struct fl_region *region, size_t limit);

/* In a child of fork: free the locks, and mend regions whose lock was held. */
void fl_region_fork_child(void);

static inline void *fl_granule_address(const struct fl_region *region, size_t granule)
{
	return (void *)(region->base + (granule << FL_GRANULE_SHIFT));
}

/* The granule of an address at or above base; it may be beyond the frontier. */
static inline size_t fl_granule_of(const struct fl_region *region, const void *address)
{
	return ((uintptr_t)address - region->base) >> FL_GRANULE_SHIFT;
}

static inline void *fl_descriptor(const struct fl_region *region, size_t granule)
{
	return region->descriptors + granule * FL_DESCRIPTOR_SIZE;
}

static inline size_t fl_descriptor_granule(const struct fl_region *region, const void *descriptor)
{
	return (size_t)((const char *)descriptor - region->descriptors) / FL_DESCRIPTOR_SIZE;
}

#endif
