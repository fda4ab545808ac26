/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing memory in past the gate.
 *
 * Where the gate is open, memory comes in as the region's populate mode says; where a memory cgroup has a limit, what is
 * strict comes by proof as far as it is whole units. Where the gate is narrow, proof is what counts: a unit comes in whole,
 * though a small extent is all that is wanted of it; its other granules are idle memory from then on, of which the next
 * small extents are cut. What cannot be proven (a unit of which a part is there already, the ends of long extents, where
 * huge pages are refused) comes in unproven if a cautious estimate lets it, else not at all.
 *
 * A unit that arrives whole is marked: nothing of it is purged meanwhile, since all of it will be taken for present.
 */
#include <errno.h>

#include "backing/backing.h"
#include "extent/internal.h"
#include "gate/gate.h"
#include "os/os.h"

/* How long proof is waited for where memory must be written back first: so many times, doubling from a millisecond. */
#define NPATIENCE 8

static const struct fl_failure success = { FALLOW_REASON_NONE, 0 };

static void count_present(uint64_t *lazy, uint64_t *strict)
{
	for (struct fl_region *region = NULL; (region = fl_region_next(region)) != NULL;) {
		uint64_t present = __atomic_load_n(&region->present, __ATOMIC_RELAXED);
		if (!region->gated || region->backing.kind != FALLOW_BACKING_ANON || region->backing.shared)
			continue;
		*(region->backing.populate == FALLOW_POPULATE_NONE ? lazy : strict) += present;
	}
}

static uint64_t present_of(const struct fl_region *region, size_t unit)
{
	return __atomic_load_n(&region->units[unit].present, __ATOMIC_RELAXED);
}

static int prove(const struct fl_region *region, size_t unit, size_t seed)
{
	return fl_backing_prove(&region->backing, fl_granule_address(region, unit * FL_UNIT_GRANULES), FL_UNIT,
				fl_granule_address(region, seed));
}

static int prove_patiently(const struct fl_region *region, size_t unit, size_t seed,
			   const struct fl_gate_request *request)
{
	uint32_t nobody = 0;
	int error = prove(region, unit, seed);

	for (unsigned int i = 0; i < NPATIENCE && error == -EBUSY && fl_gate_fits(request, FL_UNIT); i++) {
		fl_os_futex_wait_for(&nobody, 0, UINT64_C(1) << i);
		error = prove(region, unit, seed);
	}
	return error;
}

/* The unit may come in whole. It is then marked as arriving. */
static bool begin_arrival(struct fl_region *region, size_t unit)
{
	struct fl_unit *u = &region->units[unit];
	size_t end = (unit + 1) * FL_UNIT_GRANULES;

	fl_lock_take(&region->lock);
	bool fits = u->present == 0 && !u->arriving && (region->limit == 0 || region->present + FL_UNIT <= region->limit);
	if (fits && end > region->frontier)
		fits = end <= region->nreserved && fl_region_activate(region, end).reason == FALLOW_REASON_NONE;
	u->arriving |= fits;
	fl_lock_put(&region->lock);
	return fits;
}

/* It has come, or not. What is free of it is idle. */
static void end_arrival(struct fl_region *region, size_t unit, bool present)
{
	struct fl_unit *u = &region->units[unit];
	uint64_t now = fl_os_clock_ms();

	fl_lock_take(&region->lock);
	u->arriving = false;
	if (present) {
		fl_counter_add(&region->present, (size_t)__builtin_popcountll(~u->present) << FL_GRANULE_SHIFT);
		__atomic_store_n(&u->present, ~UINT64_C(0), __ATOMIC_RELAXED);
		u->whole = true;
	}
	if (u->free & u->present) {
		u->idle_since = (uint32_t)now;
		region->groups[unit / FL_GROUP_UNITS].idle |= UINT64_C(1) << (unit % FL_GROUP_UNITS);
		fl_purge_schedule(region, now);
	}
	fl_lock_put(&region->lock);
}

/* A unit that one extent has all of has come by proof, or has gone again. */
static void set_whole(struct fl_region *region, size_t unit, bool whole)
{
	fl_lock_take(&region->lock);
	region->units[unit].whole = whole;
	fl_lock_put(&region->lock);
}

static void discard_unit(struct fl_region *region, size_t unit)
{
	fl_region_discard_missing(region, unit * FL_UNIT_GRANULES, (unit + 1) * FL_UNIT_GRANULES);
	if (present_of(region, unit) == 0)
		set_whole(region, unit, false);
}

/*
 * Of a unit around a block the rest may stay unused: only if it must come whole, since there is page cache to be reclaimed
 * for it, or since any fault in it brings a huge page.
 */
static bool should_arrive(struct fl_region *region, size_t unit, const struct fl_gate_request *request)
{
	fl_lock_take(&region->lock);
	bool huge = region->units[unit].huge;
	fl_lock_put(&region->lock);
	return request->vital || huge || !fl_gate_lets_unproven(request, request->nbytes, -EBUSY);
}

/* Bring in by proof what mask says of a unit: whole units, and the one that is last, with which more comes. */
static int prove_part(struct fl_region *region, size_t unit, uint64_t mask, bool last,
		      const struct fl_gate_request *request)
{
	size_t seed = unit * FL_UNIT_GRANULES + (size_t)__builtin_ctzll(mask);

	if (!region->provable || present_of(region, unit) != 0)
		return -EOPNOTSUPP;
	if (mask == ~UINT64_C(0)) {
		int error = prove_patiently(region, unit, seed, request);
		set_whole(region, unit, error == 0);
		return error;
	}
	/* A failure after this could not be undone, since others may use what has come. */
	if (!last || !should_arrive(region, unit, request) || !fl_gate_fits(request, FL_UNIT) ||
	    !begin_arrival(region, unit))
		return -EOPNOTSUPP;
	int error = prove_patiently(region, unit, seed, request);
	end_arrival(region, unit, error == 0);
	return error;
}

/* Bring in what is missing of a unit's granules in mask while the gate is narrow. */
static struct fl_failure bring_in_part(struct fl_region *region, size_t unit, uint64_t mask, bool last,
				       const struct fl_gate_request *request)
{
	uint64_t missing = mask & ~present_of(region, unit);

	if (missing == 0)
		return success;
	int error = prove_part(region, unit, mask, last, request);
	if (error == 0) {
		fl_gate_took(FL_UNIT);
		return success;
	}
	size_t nbytes = (size_t)__builtin_popcountll(missing) << FL_GRANULE_SHIFT;
	if (!fl_gate_lets_unproven(request, nbytes, error))
		return fl_gate_failure(error);
	fl_thp_refuse(region, unit, missing);
	size_t first = unit * FL_UNIT_GRANULES + (size_t)__builtin_ctzll(mask);
	struct fl_failure failure =
		fl_region_populate_missing(region, first, first + (size_t)__builtin_popcountll(mask));
	fl_gate_took(nbytes);
	return failure;
}

/*
 * Give back a part that has come. That of a huge page stays, to become idle memory: the kernel splits the page when it
 * likes, drops what holds nothing but zero of the rest, and who writes there later is killed.
 */
static void give_up_part(struct fl_region *region, size_t unit, uint64_t mask)
{
	size_t first = unit * FL_UNIT_GRANULES + (size_t)__builtin_ctzll(mask), n = (size_t)__builtin_popcountll(mask);

	if (mask == ~UINT64_C(0)) {
		discard_unit(region, unit);
		return;
	}
	fl_lock_take(&region->lock);
	bool huge = region->units[unit].huge || region->units[unit].whole;
	if (huge)
		fl_region_mark_present(region, first, n);
	fl_lock_put(&region->lock);
	if (!huge)
		fl_region_discard_missing(region, first, first + n);
}

static struct fl_failure bring_in_narrowly(struct fl_region *region, size_t granule, size_t n,
					   const struct fl_gate_request *request)
{
	struct fl_failure failure = success;
	size_t ncame = 0;

	FOR_EACH_UNIT(unit, mask, granule, n) {
		bool last = (unit + 1) * FL_UNIT_GRANULES >= granule + n;
		if (failure.reason == FALLOW_REASON_NONE)
			failure = bring_in_part(region, unit, mask, last, request);
		if (failure.reason == FALLOW_REASON_NONE)
			ncame += (size_t)__builtin_popcountll(mask);
	}
	if (failure.reason != FALLOW_REASON_NONE) {
		FOR_EACH_UNIT(unit, mask, granule, ncame)
			give_up_part(region, unit, mask);
	}
	return failure;
}

/* Far from the limit there is: whole units by proof. False, with nothing brought in, when there is no such memory after all. */
static bool prove_units(struct fl_region *region, size_t granule, size_t n)
{
	if (!region->provable || !fl_gate_is_limited())
		return true;
	size_t first = fl_div_up(granule, FL_UNIT_GRANULES), end = (granule + n) / FL_UNIT_GRANULES;

	for (size_t unit = first; unit < end; unit++) {
		if (present_of(region, unit) != 0)
			continue;
		int error = prove(region, unit, unit * FL_UNIT_GRANULES);
		set_whole(region, unit, error == 0);
		if (error == -EBUSY || error == -ENOMEM) {
			for (size_t i = first; i <= unit; i++)
				discard_unit(region, i);
			return false;
		}
	}
	return true;
}

/* Count what will come in with the granules: all of a unit where a huge page does. */
static void count_coming(struct fl_region *region, size_t granule, size_t n, struct fl_gate_request *request)
{
	bool faults = region->backing.populate == FALLOW_POPULATE_NONE;
	size_t ncoming = 0, nmissing = 0;

	fl_lock_take(&region->lock);
	FOR_EACH_UNIT(unit, mask, granule, n) {
		uint64_t present = region->units[unit].present;
		bool all = region->units[unit].huge && (faults || present == 0);
		ncoming += (size_t)__builtin_popcountll((all ? ~UINT64_C(0) : mask) & ~present);
		nmissing += (size_t)__builtin_popcountll(mask & ~present);
	}
	fl_lock_put(&region->lock);
	request->nbytes = ncoming << FL_GRANULE_SHIFT;
	request->least = nmissing << FL_GRANULE_SHIFT;
}

struct fl_failure fl_region_bring_in(struct fl_region *region, size_t granule, size_t n, size_t charged, bool vital)
{
	const bool lazily = region->backing.populate == FALLOW_POPULATE_NONE;
	struct fl_gate_request request = {
		.counted = lazily ? charged : 0,
		.vital = vital,
		.count = count_present,
	};
	struct fl_failure failure;

	count_coming(region, granule, n, &request);
	if (fl_likely(fl_gate_spend(request.nbytes)) && (lazily || prove_units(region, granule, n)))
		return lazily ? success : fl_region_populate_missing(region, granule, granule + n);
	switch (fl_gate_enter(&request, &failure)) {
	case FL_GATE_OPEN:
		return lazily ? success : fl_region_populate_missing(region, granule, granule + n);
	case FL_GATE_NARROW:
		failure = bring_in_narrowly(region, granule, n, &request);
		fl_gate_leave();
		return failure;
	default:
		return failure;
	}
}
