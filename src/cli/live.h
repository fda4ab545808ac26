/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What there is in a process on fallow at a moment: regions, arenas, failures, and their sums.
 *
 * Numbers are read one after the other while the process goes on, so they may be apart by what happened in between. What is
 * created or destroyed meanwhile is either there as a whole or not at all.
 */
#ifndef FL_CLI_LIVE_H
#define FL_CLI_LIVE_H

#include "cli/process.h"

#define FL_REGION_NAME_LENGTH 32

struct fl_live_region {
	uint64_t address; /* of its record in the process */
	uint64_t slot, version; /* where that is kept, and for how long: see fallow/live.h */
	uint64_t base, reserved, mapped; /* where it begins; bytes */
	uint64_t limit, taken, present; /* bytes */
	uint64_t npopulates, ndiscards;
	uint64_t kind, shared, huge, populate; /* of the backing: enums and truth values */
	uint64_t page_size;
	uint64_t units; /* where its units are */
	bool spilled;   /* in ordinary memory for want of huge pages */
	bool is_map;    /* of fallow/map.h: what is populated is taken, and nothing else is known of it */
	char name[FL_REGION_NAME_LENGTH];
};

struct fl_live_arena {
	uint64_t serial;
	uint64_t region, blocks, spill; /* addresses of their records, 0: none */
	uint64_t is_explicit, shares_region;
	uint64_t limit, taken, spilled, large; /* bytes */
	uint64_t nlarge, nslabs, nfailures;
};

struct fl_live_failure {
	uint64_t number, time_ms, requested, headroom, reason, error;
};

struct fl_live {
	uint64_t time_ms;    /* CLOCK_MONOTONIC when it was read */
	uint64_t age_ms;     /* since the heap was made */
	uint64_t resident;   /* bytes, of the whole process */
	uint64_t taken, populated, idle, spilled, metadata, large; /* bytes; maps' are not among them */
	uint64_t in_maps;    /* bytes populated */
	uint64_t nlarge, nslabs, npopulates, ndiscards, nfailures, ncaches;
	struct fl_live_region *regions; /* then maps */
	size_t nregions;
	struct fl_live_arena *arenas;
	size_t narenas;
	struct fl_live_failure *failures; /* the latest first */
	size_t nfailures_kept;
};

/* Read all of it. False when the process has ended. What was read before with the same live is freed. */
bool fl_live_read(struct fl_live *live, const struct fl_process *process);
void fl_live_destroy(struct fl_live *live);

/* False when the region has been destroyed since it was read. */
bool fl_live_region_lasts(const struct fl_process *process, const struct fl_live_region *region);

/* "anon", "hugetlb 2M", "memfd", "file": a static text of the next call. */
const char *fl_live_backing(const struct fl_live_region *region);

/* "process heap", or "arena N" for those that the program made: likewise. */
const char *fl_live_arena_name(const struct fl_live_arena *arena);

#endif
