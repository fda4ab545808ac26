/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of extent/ share and nobody else uses. The region's lock is held unless it says otherwise.
 */
#ifndef FL_EXTENT_INTERNAL_H
#define FL_EXTENT_INTERNAL_H

#include "base/bits.h"
#include "extent/region.h"

/* For each unit that [granule, granule + n) touches: its index and the mask of its granules in the range. */
#define FOR_EACH_UNIT(unit, mask, granule, n)                                                                          \
	for (size_t next_ = (granule), left_ = (n), part_ = fl_min(left_, 64 - next_ % 64), unit = next_ / 64;         \
	     left_ > 0; next_ += part_, left_ -= part_, part_ = fl_min(left_, 64 - next_ % 64), unit = next_ / 64)     \
		for (uint64_t mask = fl_bits_mask((unsigned int)(next_ % 64), (unsigned int)part_); mask != 0; mask = 0)

/* Change a counter that is written under the lock and read without. */
static inline void fl_counter_add(size_t *counter, size_t delta)
{
	__atomic_store_n(counter, *counter + delta, __ATOMIC_RELAXED);
}

/* Write a unit's free bits and keep its group's summaries true. */
void fl_unit_set_free(struct fl_region *region, size_t unit, uint64_t free);

/* Map up to granule to, which becomes the frontier. */
struct fl_failure fl_region_activate(struct fl_region *region, size_t to);

/* Unmap what a table was growing by. */
void fl_region_mend_tables(struct fl_region *region);

/* What a region does before a fork; see fork.h. */
void fl_region_init_holder(struct fl_region *region);

/* Make anew what is derived from units' bits: summaries, taken, present. */
void fl_region_mend(struct fl_region *region);

/* Granules that their owner has brought in are present, and what came with them. */
void fl_region_mark_present(struct fl_region *region, size_t granule, size_t n);

/* Something became idle: see that a purge will come. True when one is due now. */
bool fl_purge_schedule(struct fl_region *region, uint64_t now);

/*
 * What a purge has in hand is neither free nor given back, but is about to be both. Wait until one that is under way is
 * done, without the lock. False at once when there is none.
 */
bool fl_purge_await(struct fl_region *region);

/* The frontier has moved over [from, to) granules. */
void fl_thp_grow(struct fl_region *region, size_t from, size_t to);

struct fl_thp_trial {
	size_t unit; /* to bring in and time */
	struct fl_unit_range range; /* that it speaks for */
};

/* Whether populating [granule, granule + n) is to begin with a trial; nobody else will make it. */
bool fl_thp_take_trial(struct fl_region *region, size_t granule, size_t n, struct fl_thp_trial *trial);

/* Make it. Without the region's lock; the unit is mapped, and a part of it the caller's. */
void fl_thp_try(struct fl_region *region, const struct fl_thp_trial *trial);

/* The unit has been mapped anew: give it the advice that it had. */
void fl_thp_restore(const struct fl_region *region, size_t unit);

/*
 * The granules in mask, which are ours, are about to come in as small pages: more than those would come with a huge one.
 * Where others have something of the unit nothing changes, for it may be in as a huge page, and is split as one by a purge
 * only while it is known for one. Without the lock.
 */
void fl_thp_refuse(struct fl_region *region, size_t unit, uint64_t mask);

/* Keep the kernel's advice in step with what is about to be discarded. Without the lock; the granules in mask are ours. */
void fl_thp_prepare_discard(struct fl_region *region, size_t unit, uint64_t mask);

/*
 * The following are called without the lock, for granules that are the caller's: nobody else changes their bits.
 */

/*
 * Bring in what of [granule, end) is missing, run by run. It is marked later, so that a failure can give back what earlier
 * runs got.
 */
struct fl_failure fl_region_populate_missing(struct fl_region *region, size_t granule, size_t end);
void fl_region_discard_missing(struct fl_region *region, size_t granule, size_t end);

/*
 * The same past the gate, of n granules, charged bytes of which are in region->present already. All or nothing, but that a
 * part of a huge page stays, marked as present.
 */
struct fl_failure fl_region_bring_in(struct fl_region *region, size_t granule, size_t n, size_t charged, bool vital);

#endif
