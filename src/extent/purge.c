/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decay: giving idle memory back.
 *
 * A purge takes idle granules out of the free set under the lock, discards them without it, in runs as long as can be,
 * and puts them back clean.
 */
#include <errno.h>
#include <limits.h>

#include "base/bits.h"
#include "diag/options.h"
#include "extent/decay.h"
#include "extent/extent.h"
#include "extent/internal.h"
#include "gate/gate.h"
#include "os/kernel.h"
#include "os/os.h"

/* Granules that must be idle in a huge unit for it to be split. */
#define SPLIT_LEAST (FL_UNIT_GRANULES / 4)

/* Units discarded by one call at most: the address space's lock is held so long. */
#define BATCH_UNITS 64
_Static_assert(BATCH_UNITS <= 64, "a word has a bit for each unit of a batch");

/* Near a limit idle memory is kept for this part of the decay time. */
#define NARROW_PART 8

/* How long what is idle is kept, in milliseconds. */
static uint64_t patience(const struct fl_region *region)
{
	return region->gated && fl_gate_is_narrow() ? region->decay / NARROW_PART : region->decay;
}

bool fl_purge_schedule(struct fl_region *region, uint64_t now)
{
	if (region->decay == FL_DECAY_NEVER)
		return false;
	if (region->purge_at == 0) {
		__atomic_store_n(&region->purge_at, now + patience(region), __ATOMIC_RELAXED);
		/* What is due at once the caller does. */
		if (region->decay != 0)
			fl_decay_wake();
	}
	return now >= region->purge_at;
}

/* From here until end_purge() granules are in hand. */
static void begin_purge(struct fl_region *region)
{
	region->npurging++;
}

static void end_purge(struct fl_region *region)
{
	/* None, in a child that was forked from within this purge. */
	if (region->npurging != 0)
		region->npurging--;
	__atomic_add_fetch(&region->npurged, 1, __ATOMIC_RELEASE);
	if (region->nwaiting != 0)
		fl_os_futex_wake(&region->npurged, INT_MAX);
}

bool fl_purge_await(struct fl_region *region)
{
	fl_lock_take(&region->lock);
	uint32_t npurged = region->npurged;
	bool under_way = region->npurging != 0;
	if (under_way)
		region->nwaiting++;
	fl_lock_put(&region->lock);
	if (!under_way)
		return false;
	while (__atomic_load_n(&region->npurged, __ATOMIC_ACQUIRE) == npurged)
		fl_os_futex_wait(&region->npurged, npurged);
	fl_lock_take(&region->lock);
	region->nwaiting--;
	fl_lock_put(&region->lock);
	return true;
}

/* The granules of a unit that a purge may have now. */
static uint64_t candidates(const struct fl_region *region, size_t unit, enum fl_purge which)
{
	const struct fl_unit *u = &region->units[unit];
	uint64_t idle = u->free & u->present;

	if (idle == 0 || u->arriving)
		return 0;
	if (region->page_granules > 1) {
		unsigned int n = (unsigned int)region->page_granules;
		uint64_t whole = 0;
		for (unsigned int at = 0; at < FL_UNIT_GRANULES; at += n) {
			uint64_t page = fl_bits_mask(at, n);
			whole |= (u->free & page) == page ? page : 0;
		}
		idle &= whole;
	}
	/* With a huge page came more than was marked: where nothing is taken, all goes. So does what huge pages are to follow. */
	if ((u->huge || u->split) && u->free == ~UINT64_C(0))
		return ~UINT64_C(0);
	/* What the kernel does with the rest of a split huge page (see split()) must not happen to what came in with proof. */
	if (u->whole && idle != ~UINT64_C(0) && region->backing.populate != FALLOW_POPULATE_NONE)
		return 0;
	/* Splitting a huge page for little is not worth it. */
	if (which == FL_PURGE_EXPIRED && u->huge && __builtin_popcountll(idle) < SPLIT_LEAST)
		return 0;
	return idle;
}

struct batch {
	size_t unit;                  /* the first */
	size_t n;
	uint64_t masks[BATCH_UNITS];  /* granules of each unit, now ours */
	uint64_t huge;                /* a bit for each unit that may be a huge page */
};

static bool is_full(const struct batch *batch)
{
	return batch->n == BATCH_UNITS;
}

/* Collect a run of neighbouring units from *unit on; *unit is where to go on. next: earliest expiry seen. */
static void collect(struct fl_region *region, enum fl_purge which, uint64_t now, size_t *unit, struct batch *batch,
		    uint64_t *next)
{
	size_t nunits = fl_div_up(region->frontier, FL_UNIT_GRANULES);

	batch->n = 0;
	batch->huge = 0;
	for (; *unit < nunits && !is_full(batch); ++*unit) {
		struct fl_group *group = &region->groups[*unit / FL_GROUP_UNITS];
		uint64_t bit = UINT64_C(1) << (*unit % FL_GROUP_UNITS);
		struct fl_unit *u = &region->units[*unit];
		if (which == FL_PURGE_EXPIRED) {
			if (!(group->idle & bit)) {
				if (batch->n != 0)
					return;
				if (group->idle == 0)
					*unit |= FL_GROUP_UNITS - 1;
				continue;
			}
			uint64_t age = (uint32_t)now - u->idle_since;
			if (age < patience(region)) {
				uint64_t expiry = now + patience(region) - age;
				*next = *next == 0 ? expiry : fl_min(*next, expiry);
				if (batch->n != 0)
					return;
				continue;
			}
		}
		group->idle &= ~bit;
		uint64_t mask = candidates(region, *unit, which);
		if (mask == 0) {
			if (batch->n != 0)
				return;
			continue;
		}
		if (batch->n == 0)
			batch->unit = *unit;
		batch->huge |= (uint64_t)(u->huge || u->whole) << batch->n;
		batch->masks[batch->n++] = mask;
		fl_unit_set_free(region, *unit, u->free & ~mask);
	}
}

/* Whether commit charges are worth giving back: ordinary memory under vm.overcommit_memory=2. */
static bool wants_uncharge(struct fl_region *region)
{
	char mode = '0';

	if (region->uncharge < 0) {
		if (region->backing.kind == FALLOW_BACKING_ANON && !region->backing.shared) {
			int fd = fl_os_open("/proc/sys/vm/overcommit_memory", O_RDONLY, 0);
			if (fd >= 0) {
				fl_os_read(fd, &mode, 1);
				fl_os_close(fd);
			}
		}
		__atomic_store_n(&region->uncharge, mode == '2', __ATOMIC_RELAXED);
	}
	return region->uncharge == 1;
}

static bool close_unit(struct fl_region *region, size_t unit)
{
	if (fl_backing_close(fl_granule_address(region, unit * FL_UNIT_GRANULES), FL_UNIT) != 0)
		return false;
	region->units[unit].closed = true;
	return true;
}

static bool discard_run(struct fl_region *region, size_t granule, size_t n)
{
	__atomic_add_fetch(&region->ndiscards, 1, __ATOMIC_RELAXED);
	return fl_backing_discard(&region->backing, fl_granule_address(region, granule), n << FL_GRANULE_SHIFT,
				  (uint64_t)granule << FL_GRANULE_SHIFT) == 0;
}

/*
 * The kernel takes the discarded part of a huge page for used until memory is short, when it splits the huge page: a cgroup's
 * use does not fall before. And then it drops pages of the rest that hold nothing but zero (6.18), though they were
 * populated. So split it now, by advice on one page that is not for all of it, and bring in what was dropped.
 */
static void split(struct fl_region *region, size_t unit, uint64_t mask)
{
	uint64_t rest[] = { __atomic_load_n(&region->units[unit].present, __ATOMIC_RELAXED) & ~mask };
	size_t first = fl_bitmap_next(rest, FL_UNIT_GRANULES, 0), granule = unit * FL_UNIT_GRANULES;

	if (first == FL_UNIT_GRANULES)
		return;
	fl_os_madvise(fl_granule_address(region, granule + first), region->backing.page_size, MADV_COLD);
	if (region->backing.populate == FALLOW_POPULATE_NONE)
		return;
	for (size_t from = first, to; from < FL_UNIT_GRANULES; from = fl_bitmap_next(rest, FL_UNIT_GRANULES, to)) {
		to = fl_bitmap_next_clear(rest, FL_UNIT_GRANULES, from);
		fl_os_madvise(fl_granule_address(region, granule + from), (to - from) << FL_GRANULE_SHIFT,
			      MADV_POPULATE_WRITE);
	}
}

/* Give a batch's memory back without the lock: its granules are ours. gone: those that are now clean. */
static void discard(struct fl_region *region, const struct batch *batch, uint64_t gone[BATCH_UNITS])
{
	uint64_t left[BATCH_UNITS];
	size_t nbits = batch->n * FL_UNIT_GRANULES;
	bool uncharge = wants_uncharge(region);

	for (size_t i = 0; i < batch->n; i++) {
		gone[i] = batch->masks[i];
		left[i] = batch->masks[i];
		fl_thp_prepare_discard(region, batch->unit + i, batch->masks[i]);
		if (uncharge && left[i] == ~UINT64_C(0) && close_unit(region, batch->unit + i))
			left[i] = 0;
	}
	for (size_t from = 0, to; (from = fl_bitmap_next(left, nbits, from)) < nbits; from = to) {
		to = fl_bitmap_next_clear(left, nbits, from);
		if (discard_run(region, batch->unit * FL_UNIT_GRANULES + from, to - from))
			continue;
		for (size_t bit = from; bit < to; bit++)
			fl_bitmap_clear(gone, bit);
	}
	for (uint64_t huge = batch->huge; huge != 0; huge &= huge - 1) {
		size_t i = (size_t)__builtin_ctzll(huge);
		split(region, batch->unit + i, batch->masks[i]);
	}
}

/* Put a batch's granules back into the free set. Returns the bytes given back. */
static size_t finish(struct fl_region *region, const struct batch *batch, const uint64_t gone[BATCH_UNITS])
{
	size_t bytes = 0;

	for (size_t i = 0; i < batch->n; i++) {
		struct fl_unit *u = &region->units[batch->unit + i];
		bytes += (size_t)__builtin_popcountll(u->present & gone[i]) << FL_GRANULE_SHIFT;
		__atomic_store_n(&u->present, u->present & ~gone[i], __ATOMIC_RELAXED);
		u->dirty &= ~gone[i];
		u->whole = false;
		fl_unit_set_free(region, batch->unit + i, u->free | batch->masks[i]);
	}
	fl_counter_add(&region->present, -(bytes));
	return bytes;
}

/* The same for pages of several units, one page at a time. */
static size_t purge_large_pages(struct fl_region *region, enum fl_purge which, uint64_t now, uint64_t *next)
{
	size_t page_units = region->page_granules / FL_UNIT_GRANULES, bytes = 0;

	for (size_t first = 0; first * FL_UNIT_GRANULES < region->frontier; first += page_units) {
		uint64_t age = UINT32_MAX;
		bool free = true;
		for (size_t i = first; i < first + page_units; i++) {
			free = free && region->units[i].free == ~UINT64_C(0);
			age = fl_min(age, (uint32_t)now - region->units[i].idle_since);
		}
		if (!free || region->units[first].present == 0)
			continue;
		if (which == FL_PURGE_EXPIRED && age < region->decay) {
			*next = *next == 0 ? now + region->decay - age : fl_min(*next, now + region->decay - age);
			continue;
		}
		for (size_t i = first; i < first + page_units; i++)
			fl_unit_set_free(region, i, 0);
		begin_purge(region);
		fl_lock_put(&region->lock);
		bool gone = discard_run(region, first * FL_UNIT_GRANULES, region->page_granules);
		fl_lock_take(&region->lock);
		for (size_t i = first; i < first + page_units; i++) {
			if (gone)
				region->units[i].present = region->units[i].dirty = 0;
			fl_unit_set_free(region, i, ~UINT64_C(0));
		}
		if (gone) {
			bytes += region->page_granules << FL_GRANULE_SHIFT;
			fl_counter_add(&region->present, -(region->page_granules << FL_GRANULE_SHIFT));
		}
		end_purge(region);
	}
	return bytes;
}

static size_t purge_batches(struct fl_region *region, enum fl_purge which, uint64_t now, uint64_t *next)
{
	struct batch batch = { 0 };
	uint64_t gone[BATCH_UNITS];
	size_t unit = 0, bytes = 0;

	for (;;) {
		collect(region, which, now, &unit, &batch, next);
		if (batch.n == 0)
			return bytes;
		begin_purge(region);
		fl_lock_put(&region->lock);
		discard(region, &batch, gone);
		fl_lock_take(&region->lock);
		bytes += finish(region, &batch, gone);
		end_purge(region);
	}
}

size_t fl_extent_purge(struct fl_region *region, enum fl_purge which)
{
	uint64_t now = fl_os_clock_ms(), next = 0;
	size_t bytes;

	if (region->held)
		return 0;
	fl_lock_take(&region->lock);
	__atomic_store_n(&region->purge_at, 0, __ATOMIC_RELAXED);
	if (region->page_granules > FL_UNIT_GRANULES)
		bytes = purge_large_pages(region, which, now, &next);
	else
		bytes = purge_batches(region, which, now, &next);
	/* Not more than a few looks a decay time, however evenly things become idle. */
	if (next != 0 && (region->purge_at == 0 || next < region->purge_at))
		__atomic_store_n(&region->purge_at, fl_max(next, now + region->decay / 8), __ATOMIC_RELAXED);
	bool later = region->purge_at != 0;
	fl_lock_put(&region->lock);
	if (later)
		fl_decay_wake();
	return bytes;
}
