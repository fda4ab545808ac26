/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First-fit by address over units, growth of the frontier, and bringing memory in.
 *
 * Each unit knows its longest free run; each group of 64 units has, for every power of two up to 64, the set of units
 * with a run that long. A search looks only at units that may fit.
 */
#include "extent/extent.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/poison.h"
#include "extent/decay.h"
#include "extent/internal.h"
#include "gate/gate.h"
#include "os/kernel.h"
#include "os/os.h"

/*
 * The frontier moves in steps of a quarter of itself between these, so that neighbours merge into few mappings. Mappings
 * of huge pages never merge: they begin with more pages.
 */
#define STEP_LEAST (FL_MIB >> FL_GRANULE_SHIFT)
#define STEP_LEAST_PAGES 16
#define STEP_MOST (256 * FL_MIB >> FL_GRANULE_SHIFT)

/* When somebody else's mapping is in the way, the frontier jumps over this much, so often at most. */
#define HOLE (64 * FL_MIB >> FL_GRANULE_SHIFT)
#define NHOLES 64

/* Purges of other threads that are waited for before a failure is one. */
#define NPURGES 16

/* Units whose longest run is too short although their power of two promised more, before the next power is asked. */
#define NMISSES 32

/* Granules from which on a call and the faults that follow cost less than writing zeros, unless all of it is used. */
#define ZERO_BY_DISCARD (128 * FL_KIB >> FL_GRANULE_SHIFT)

/* Bytes: no page is smaller. */
#define PAGE_LEAST 4096

static const struct fl_failure success = { FALLOW_REASON_NONE, 0 };

/* Starts that a run of n <= 64 granules may have in a unit: those aligned to alignment bytes. */
static uint64_t aligned_starts(const struct fl_region *region, size_t unit, size_t alignment)
{
	static const uint64_t every[] = { ~UINT64_C(0),		      0x5555555555555555, 0x1111111111111111,
					  0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1 };

	if (alignment <= FL_GRANULE)
		return every[0];
	if (alignment > FL_UNIT)
		return ((region->base + unit * FL_UNIT) & (alignment - 1)) == 0;
	return every[fl_log2_floor(alignment) - FL_GRANULE_SHIFT];
}

void fl_unit_set_free(struct fl_region *region, size_t unit, uint64_t free)
{
	struct fl_unit *u = &region->units[unit];
	struct fl_group *group = &region->groups[unit / FL_GROUP_UNITS];
	uint64_t bit = UINT64_C(1) << (unit % FL_GROUP_UNITS);
	unsigned int longest = fl_bits_longest_run(free);

	u->free = free;
	if (longest == u->longest)
		return;
	u->longest = (uint8_t)longest;
	for (unsigned int k = 0; k < FL_LENGTH(group->fit); k++) {
		if (longest >> k)
			group->fit[k] |= bit;
		else
			group->fit[k] &= ~bit;
	}
}

void fl_region_mend(struct fl_region *region)
{
	size_t nfree = 0, npresent = 0;

	fl_region_mend_tables(region);
	for (size_t unit = 0; unit * FL_UNIT_GRANULES < region->frontier; unit++) {
		struct fl_unit *u = &region->units[unit];
		u->longest = UINT8_MAX; /* none: everything is written again */
		fl_unit_set_free(region, unit, u->free);
		nfree += (size_t)__builtin_popcountll(u->free);
		npresent += (size_t)__builtin_popcountll(u->present);
	}
	region->taken = (region->frontier - nfree) << FL_GRANULE_SHIFT;
	region->present = npresent << FL_GRANULE_SHIFT;
}

/* Lowest place for n <= 64 granules in units with a run of at least 1 << k. SIZE_MAX: none. */
static size_t find_in_units(const struct fl_region *region, size_t n, unsigned int k, size_t alignment, size_t nmisses)
{
	size_t nunits = fl_div_up(region->frontier, FL_UNIT_GRANULES);
	size_t ngroups = fl_div_up(nunits, FL_GROUP_UNITS);

	for (size_t g = 0; g < ngroups; g++) {
		for (uint64_t fit = region->groups[g].fit[k]; fit != 0; fit &= fit - 1) {
			size_t unit = g * FL_GROUP_UNITS + (size_t)__builtin_ctzll(fit);
			const struct fl_unit *u = &region->units[unit];
			uint64_t starts = 0;
			if (u->longest >= n)
				starts = fl_bits_run_starts(u->free, (unsigned int)n) &
					 aligned_starts(region, unit, alignment);
			if (starts != 0)
				return unit * FL_UNIT_GRANULES + (size_t)__builtin_ctzll(starts);
			if (nmisses-- == 0)
				return SIZE_MAX;
		}
	}
	return SIZE_MAX;
}

/* Whether the run of n > 64 granules may start at this unit, given that as many whole units as it needs are free. */
static bool fits_from(const struct fl_region *region, size_t unit, size_t n, size_t alignment)
{
	size_t tail_unit = unit + n / FL_UNIT_GRANULES;
	uint64_t tail = (UINT64_C(1) << n % FL_UNIT_GRANULES) - 1;

	if ((region->base + unit * FL_UNIT) & (alignment - 1))
		return false;
	return tail == 0 || (tail_unit * FL_UNIT_GRANULES < region->frontier &&
			     (region->units[tail_unit].free & tail) == tail);
}

/* Lowest place for n > 64 granules: whole units, and the beginning of one more. */
static size_t find_whole_units(const struct fl_region *region, size_t n, size_t alignment)
{
	size_t wanted = n / FL_UNIT_GRANULES;
	size_t ngroups = fl_div_up(region->frontier, FL_UNIT_GRANULES * FL_GROUP_UNITS);
	size_t run = 0;

	for (size_t g = 0; g < ngroups; g++) {
		uint64_t whole = region->groups[g].fit[6];
		if (whole == 0) {
			run = 0;
			continue;
		}
		for (unsigned int bit = 0; bit < FL_GROUP_UNITS; bit++) {
			run = whole >> bit & 1 ? run + 1 : 0;
			size_t start = g * FL_GROUP_UNITS + bit + 1 - wanted;
			if (run >= wanted && fits_from(region, start, n, alignment))
				return start * FL_UNIT_GRANULES;
		}
	}
	return SIZE_MAX;
}

/* Whether it is there at all, however long that takes to say. */
static size_t find_exhaustively(const struct fl_region *region, size_t n, size_t alignment)
{
	if (n > FL_UNIT_GRANULES)
		return find_whole_units(region, n, alignment);
	return find_in_units(region, n, fl_log2_floor(n), alignment, SIZE_MAX);
}

/* Lowest place for n <= 64 granules of idle memory. SIZE_MAX: none. */
static size_t find_idle(const struct fl_region *region, size_t n, size_t alignment)
{
	for (size_t unit = 0; unit * FL_UNIT_GRANULES < region->frontier; unit++) {
		const struct fl_unit *u = &region->units[unit];
		uint64_t starts = fl_bits_run_starts(u->free & u->present, (unsigned int)n);
		if (starts != 0 && (starts &= aligned_starts(region, unit, alignment)) != 0)
			return unit * FL_UNIT_GRANULES + (size_t)__builtin_ctzll(starts);
	}
	return SIZE_MAX;
}

/* The usual case fast: SIZE_MAX need not mean that there is none. */
static size_t find(const struct fl_region *region, size_t n, size_t alignment)
{
	if (n > FL_UNIT_GRANULES)
		return find_whole_units(region, n, alignment);
	/* Near a limit what is there comes before what may not come any more. */
	if (fl_unlikely(region->gated && fl_gate_is_narrow())) {
		size_t idle = find_idle(region, n, alignment);
		if (idle != SIZE_MAX)
			return idle;
	}
	unsigned int low = fl_log2_floor(n), high = fl_log2_ceil(n);
	size_t granule = find_in_units(region, n, low, alignment, low == high ? SIZE_MAX : NMISSES);
	if (granule == SIZE_MAX && low != high)
		granule = find_in_units(region, n, high, alignment, SIZE_MAX);
	if (granule == SIZE_MAX && low != high)
		granule = find_in_units(region, n, low, alignment, SIZE_MAX);
	return granule;
}

static void set_free(struct fl_region *region, size_t granule, size_t n)
{
	FOR_EACH_UNIT(unit, mask, granule, n)
		fl_unit_set_free(region, unit, region->units[unit].free | mask);
}

static void set_taken(struct fl_region *region, size_t granule, size_t n)
{
	FOR_EACH_UNIT(unit, mask, granule, n)
		fl_unit_set_free(region, unit, region->units[unit].free & ~mask);
	fl_counter_add(&region->taken, n << FL_GRANULE_SHIFT);
}

/* Free granules right below the frontier. */
static size_t free_tail(const struct fl_region *region)
{
	size_t n = 0;

	while (n < region->frontier) {
		size_t granule = region->frontier - n - 1;
		if (!(region->units[granule / 64].free >> (granule % 64) & 1))
			break;
		n++;
	}
	return n;
}

/* Where n granules would lie if the frontier moved: at or above from, obeying alignment and unit bounds. */
static size_t place(const struct fl_region *region, size_t from, size_t n, size_t alignment)
{
	size_t step = fl_max(alignment >> FL_GRANULE_SHIFT, 1);

	for (;;) {
		size_t first = fl_align_up(region->base + (from << FL_GRANULE_SHIFT), step << FL_GRANULE_SHIFT);
		size_t granule = (first - region->base) >> FL_GRANULE_SHIFT;
		bool crosses = n <= FL_UNIT_GRANULES ? granule % 64 + n > 64 : granule % 64 != 0;
		if (!crosses)
			return granule;
		from = fl_align_up(granule + 1, FL_UNIT_GRANULES);
	}
}

/* What a file held before reads as that, not as zero. */
static void mark_old_content(struct fl_region *region, size_t from, size_t to)
{
	size_t old = fl_min((region->backing.own_from + FL_GRANULE - 1) >> FL_GRANULE_SHIFT, to);

	if (old > from) {
		FOR_EACH_UNIT(unit, mask, from, old - from)
			region->units[unit].dirty |= mask;
	}
}

struct fl_failure fl_region_activate(struct fl_region *region, size_t to)
{
	size_t from = region->frontier;
	int result = fl_region_grow_tables(region, to);

	if (result == -EEXIST)
		return (struct fl_failure){ FALLOW_REASON_ADDRESS_SPACE, result };
	if (result != 0)
		return fl_backing_diagnose(&region->backing, result, true);
	struct fl_failure failure =
		fl_backing_activate(&region->backing, fl_granule_address(region, from), (to - from) << FL_GRANULE_SHIFT,
				    (uint64_t)from << FL_GRANULE_SHIFT);
	if (failure.reason != FALLOW_REASON_NONE)
		return failure;
	mark_old_content(region, from, to);
	__atomic_store_n(&region->frontier, to, __ATOMIC_RELEASE);
	set_free(region, from, to - from);
	fl_thp_grow(region, from, to);
	return success;
}

/* Leave a hole where somebody else has mapped something. False at the end of the reservation. */
static bool skip_hole(struct fl_region *region)
{
	size_t to = fl_align_up(region->frontier + HOLE, fl_max(FL_UNIT_GRANULES, region->page_granules));

	if (to >= region->nreserved || fl_region_grow_tables(region, to) != 0)
		return false;
	__atomic_store_n(&region->frontier, to, __ATOMIC_RELEASE);
	return true;
}

/* Move the frontier so that a run of n exists. In a larger step than needed where the kernel lets. */
static struct fl_failure grow(struct fl_region *region, size_t n, size_t alignment)
{
	struct fl_failure failure = { FALLOW_REASON_ADDRESS_SPACE, 0 };

	for (int i = 0; i < NHOLES; i++) {
		size_t least = region->page_granules == 1 ? STEP_LEAST : STEP_LEAST_PAGES * region->page_granules;
		size_t step = fl_max(fl_min(region->frontier / 4, STEP_MOST), least);
		size_t needed = place(region, region->frontier - free_tail(region), n, alignment) + n;
		needed = fl_align_up(needed, region->page_granules);
		if (needed > region->nreserved)
			return (struct fl_failure){ FALLOW_REASON_ADDRESS_SPACE, 0 };
		if (needed <= region->frontier)
			return success;
		size_t wished = fl_max(needed, region->frontier + step);
		wished = fl_align_up(wished, wished < region->advise_from ? region->page_granules : FL_UNIT_GRANULES);
		failure = fl_region_activate(region, fl_min(wished, region->nreserved));
		if (failure.reason != FALLOW_REASON_NONE && wished > needed)
			failure = fl_region_activate(region, needed);
		if (failure.reason != FALLOW_REASON_ADDRESS_SPACE || !skip_hole(region))
			break;
	}
	return failure;
}

static struct fl_failure take(struct fl_region *region, size_t n, size_t alignment, size_t *granule)
{
	struct fl_failure failure = success;

	fl_lock_take(&region->lock);
	size_t found = find(region, n, alignment);
	if (found == SIZE_MAX) {
		failure = grow(region, n, alignment);
		found = find_exhaustively(region, n, alignment);
		if (found != SIZE_MAX)
			failure = success;
	}
	if (found != SIZE_MAX)
		set_taken(region, found, n);
	fl_lock_put(&region->lock);
	*granule = found;
	return failure;
}

struct fl_failure fl_extent_take(struct fl_region *region, size_t n, size_t alignment, size_t *granule)
{
	if (n > region->nreserved)
		return (struct fl_failure){ FALLOW_REASON_ADDRESS_SPACE, 0 };
	struct fl_failure failure = take(region, n, alignment, granule);
	for (int i = 0; i < NPURGES && failure.reason != FALLOW_REASON_NONE && fl_purge_await(region); i++)
		failure = take(region, n, alignment, granule);
	if (failure.reason == FALLOW_REASON_NONE)
		fl_unpoison(fl_granule_address(region, *granule), n << FL_GRANULE_SHIFT);
	return failure;
}

bool fl_extent_extend(struct fl_region *region, size_t granule, size_t n, size_t more)
{
	size_t from = granule + n, to = from + more;

	fl_lock_take(&region->lock);
	bool free = from <= region->frontier && to <= region->nreserved;
	if (free) {
		FOR_EACH_UNIT(unit, mask, from, fl_min(to, region->frontier) - from)
			free = free && (region->units[unit].free & mask) == mask;
	}
	if (free && to > region->frontier)
		free = fl_region_activate(region, fl_align_up(to, region->page_granules)).reason == FALLOW_REASON_NONE;
	if (free)
		set_taken(region, from, more);
	fl_lock_put(&region->lock);
	if (free)
		fl_unpoison(fl_granule_address(region, from), more << FL_GRANULE_SHIFT);
	return free;
}

/* Let a unit that was closed be accessed again; this is where a commit limit may say no. */
static int open_unit(struct fl_region *region, size_t unit)
{
	void *address = fl_granule_address(region, unit * FL_UNIT_GRANULES);
	int result = fl_backing_open(&region->backing, address, FL_UNIT);

	if (result != 0)
		return result;
	fl_thp_restore(region, unit);
	region->units[unit].closed = false;
	return 0;
}

static struct fl_failure open_units(struct fl_region *region, size_t granule, size_t n)
{
	FOR_EACH_UNIT(unit, mask, granule, n) {
		int result = region->units[unit].closed ? open_unit(region, unit) : 0;
		if (result != 0)
			return fl_backing_diagnose(&region->backing, result, true);
	}
	return success;
}

/* Bytes of the range that are not present, and whether all of it reads as zero. */
static size_t missing(const struct fl_region *region, size_t granule, size_t n, bool *zero)
{
	size_t nmissing = 0;

	/* A private mapping without copies of its own shows what the file held before. */
	*zero = region->backing.shared || (uint64_t)granule << FL_GRANULE_SHIFT >= region->backing.own_from;
	FOR_EACH_UNIT(unit, mask, granule, n) {
		nmissing += (size_t)__builtin_popcountll(~region->units[unit].present & mask);
		if (region->units[unit].dirty & mask)
			*zero = false;
	}
	return nmissing << FL_GRANULE_SHIFT;
}

/* Whether any of it is in a unit that was advised to be huge. */
static bool has_huge(const struct fl_region *region, size_t granule, size_t n)
{
	bool any = false;

	FOR_EACH_UNIT(unit, mask, granule, n)
		any = any || region->units[unit].huge;
	return any;
}

static bool is_present(const struct fl_region *region, size_t granule)
{
	return __atomic_load_n(&region->units[granule / 64].present, __ATOMIC_RELAXED) >> (granule % 64) & 1;
}

/* The first run at or after *granule and before end that is not present; its length, 0 when there is none. */
static size_t next_missing(const struct fl_region *region, size_t *granule, size_t end)
{
	size_t n = 0;

	while (*granule < end && is_present(region, *granule))
		++*granule;
	while (*granule + n < end && !is_present(region, *granule + n))
		n++;
	return n;
}

void fl_region_discard_missing(struct fl_region *region, size_t granule, size_t end)
{
	for (size_t n; (n = next_missing(region, &granule, end)) != 0; granule += n)
		fl_backing_discard(&region->backing, fl_granule_address(region, granule), n << FL_GRANULE_SHIFT,
				   (uint64_t)granule << FL_GRANULE_SHIFT);
}

struct fl_failure fl_region_populate_missing(struct fl_region *region, size_t granule, size_t end)
{
	/* What is left to faults comes here only near a limit. */
	bool faults = region->backing.populate == FALLOW_POPULATE_NONE;
	enum fallow_populate mode = faults ? FALLOW_POPULATE_WRITE : region->backing.populate;
	size_t start = granule;

	for (size_t n; (n = next_missing(region, &granule, end)) != 0; granule += n) {
		void *address = fl_granule_address(region, granule);
		struct fl_failure failure = { FALLOW_REASON_POOL_EMPTY, -ENOMEM };
		uint64_t watch = fl_fork_watch();
		if (fl_fork_leaves_cover(&region->backing, n << FL_GRANULE_SHIFT))
			failure = fl_backing_populate(&region->backing, mode, address, n << FL_GRANULE_SHIFT,
						      (uint64_t)granule << FL_GRANULE_SHIFT);
		if (failure.reason == FALLOW_REASON_NONE)
			failure = fl_fork_settle(&region->backing, watch, address, n << FL_GRANULE_SHIFT);
		if (failure.reason != FALLOW_REASON_NONE) {
			fl_region_discard_missing(region, start, granule + n);
			return failure;
		}
		__atomic_add_fetch(&region->npopulates, 1, __ATOMIC_RELAXED);
	}
	return success;
}

/* Whether all of a unit is resident, though with swap it may go again. */
static bool is_resident(const struct fl_region *region, size_t unit)
{
	unsigned char pages[FL_UNIT / PAGE_LEAST];
	size_t npages = FL_UNIT / region->backing.page_size;

	if (fl_os_mincore(fl_granule_address(region, unit * FL_UNIT_GRANULES), FL_UNIT, pages) != 0)
		return false;
	for (size_t i = 0; i < npages; i++) {
		if ((pages[i] & 1) == 0)
			return false;
	}
	return true;
}

/* Whether a unit that was advised to be huge came whole with the first granules of it, those in mask. */
static bool came_whole(const struct fl_region *region, size_t unit, uint64_t mask)
{
	const struct fl_unit *u = &region->units[unit];

	if (!u->huge || (unit + 1) * FL_UNIT_GRANULES > region->frontier)
		return false;
	/* With a fault always; with a populate if there was a huge page. */
	if (region->backing.populate == FALLOW_POPULATE_NONE)
		return true;
	return u->present == 0 && (mask == ~UINT64_C(0) || is_resident(region, unit));
}

/* What of it counts as present: what nobody has taken is idle memory. What others have taken they may be about to discard. */
static uint64_t count_whole(const struct fl_region *region, size_t unit, uint64_t mask)
{
	if (region->backing.populate == FALLOW_POPULATE_NONE)
		return ~UINT64_C(0);
	bool fits = region->limit == 0 || region->present + FL_UNIT <= region->limit;
	return fits ? mask | region->units[unit].free : mask;
}

void fl_region_mark_present(struct fl_region *region, size_t granule, size_t n)
{
	FOR_EACH_UNIT(unit, mask, granule, n) {
		struct fl_unit *u = &region->units[unit];
		bool whole = came_whole(region, unit, mask);
		/* Other threads' may have come meanwhile: what counts is what is marked now. */
		uint64_t new = (whole ? count_whole(region, unit, mask) : mask) & ~u->present;
		fl_counter_add(&region->present, (size_t)__builtin_popcountll(new) << FL_GRANULE_SHIFT);
		__atomic_store_n(&u->present, u->present | new, __ATOMIC_RELAXED);
		u->whole |= whole && fl_gate_is_limited();
	}
}

/* What is marked present was perhaps never touched, where pages come with faults. */
static struct fl_failure populate_all(struct fl_region *region, size_t granule, size_t n)
{
	return fl_backing_populate(&region->backing, FALLOW_POPULATE_WRITE, fl_granule_address(region, granule),
				   n << FL_GRANULE_SHIFT, (uint64_t)granule << FL_GRANULE_SHIFT);
}

/* One try: charge the limit, populate, and take the charge back on failure. */
static struct fl_failure populate(struct fl_region *region, size_t granule, size_t n, enum fl_use use, bool *zero)
{
	bool faults = region->backing.populate == FALLOW_POPULATE_NONE;
	bool all = faults && use != FL_USE_UNKNOWN && (region->backing.huge || region->backing.fd >= 0);
	struct fl_thp_trial trial;

	fl_lock_take(&region->lock);
	struct fl_failure failure = open_units(region, granule, n);
	size_t charge = missing(region, granule, n, zero);
	bool small = !has_huge(region, granule, n);
	if (failure.reason == FALLOW_REASON_NONE && region->limit != 0 && region->present + charge > region->limit)
		failure.reason = FALLOW_REASON_ARENA_LIMIT;
	if (failure.reason == FALLOW_REASON_NONE)
		fl_counter_add(&region->present, charge);
	bool tries = charge != 0 && failure.reason == FALLOW_REASON_NONE && !fl_gate_is_narrow() &&
		     fl_thp_take_trial(region, granule, n, &trial);
	fl_lock_put(&region->lock);
	if (failure.reason != FALLOW_REASON_NONE || (charge == 0 && !all))
		return failure;

	if (tries)
		fl_thp_try(region, &trial);
	if (all)
		failure = populate_all(region, granule, n);
	else if (region->gated)
		failure = fl_region_bring_in(region, granule, n, charge, use != FL_USE_UNKNOWN);
	else if (!faults)
		failure = fl_region_populate_missing(region, granule, granule + n);
	fl_lock_take(&region->lock);
	/* In this order: who reads without the lock may see too much, never too little. */
	if (failure.reason == FALLOW_REASON_NONE)
		fl_region_mark_present(region, granule, n);
	fl_counter_add(&region->present, -(charge));
	fl_lock_put(&region->lock);
	if (failure.reason == FALLOW_REASON_NONE && faults && !all && small && use == FL_USE_WHOLE)
		populate_all(region, granule, n);
	return failure;
}

/* Give back what may be all that is missing. False when nothing was. */
static bool relieve(struct fl_region *region, struct fl_failure failure)
{
	size_t bytes = fl_extent_purge(region, FL_PURGE_ALL);

	if (failure.reason != FALLOW_REASON_MEMORY_CGROUP && failure.reason != FALLOW_REASON_SYSTEM_MEMORY)
		return bytes != 0;
	/* Of memory that all regions share, another thread may just have given some back. */
	fl_decay_purge_all();
	return true;
}

/* With what is idle given back if need be, by this thread or by those that are at it. */
static struct fl_failure populate_purging(struct fl_region *region, size_t granule, size_t n, enum fl_use use, bool *zero)
{
	struct fl_failure failure = populate(region, granule, n, use, zero);

	if (fl_unlikely(failure.reason != FALLOW_REASON_NONE) && relieve(region, failure))
		failure = populate(region, granule, n, use, zero);
	for (int i = 0; i < NPURGES && failure.reason != FALLOW_REASON_NONE && fl_purge_await(region); i++)
		failure = populate(region, granule, n, use, zero);
	return failure;
}

struct fl_failure fl_extent_populate(struct fl_region *region, size_t granule, size_t n, enum fl_use use, bool *zero)
{
	size_t page = region->page_granules;
	bool whole_page;

	if (page == 1)
		return populate_purging(region, granule, n, use, zero);

	/* Several extents share a page: only one thread at a time may find it missing. */
	size_t from = fl_align_down(granule, page), to = fl_align_up(granule + n, page);
	fl_lock_take(&region->populate_lock);
	struct fl_failure failure = populate_purging(region, from, to - from, use, &whole_page);
	fl_lock_put(&region->populate_lock);
	fl_lock_take(&region->lock);
	missing(region, granule, n, zero);
	fl_lock_put(&region->lock);
	return failure;
}

void fl_extent_zero(struct fl_region *region, size_t granule, size_t n)
{
	char *address = fl_granule_address(region, granule);
	const struct fl_backing *backing = &region->backing;

	fl_lock_take(&region->lock);
	bool small = !has_huge(region, granule, n);
	fl_lock_put(&region->lock);
	bool discarded = small && n >= ZERO_BY_DISCARD && backing->populate == FALLOW_POPULATE_NONE &&
			 backing->kind == FALLOW_BACKING_ANON && !backing->shared &&
			 fl_backing_discard(backing, address, n << FL_GRANULE_SHIFT, 0) == 0;
	if (!discarded)
		memset(address, 0, n << FL_GRANULE_SHIFT);
}

int fl_extent_discard(struct fl_region *region, size_t granule, size_t n)
{
	int result = fl_backing_discard(&region->backing, fl_granule_address(region, granule), n << FL_GRANULE_SHIFT,
					(uint64_t)granule << FL_GRANULE_SHIFT);

	if (result != 0)
		return result;
	fl_lock_take(&region->lock);
	FOR_EACH_UNIT(unit, mask, granule, n) {
		struct fl_unit *u = &region->units[unit];
		fl_counter_add(&region->present, -((size_t)__builtin_popcountll(u->present & mask) << FL_GRANULE_SHIFT));
		__atomic_store_n(&u->present, u->present & ~mask, __ATOMIC_RELAXED);
		u->dirty &= ~mask;
	}
	fl_lock_put(&region->lock);
	return 0;
}

void fl_extent_put(struct fl_region *region, size_t granule, size_t n, size_t ntouched)
{
	uint64_t now = 0;

	fl_poison(fl_granule_address(region, granule), n << FL_GRANULE_SHIFT);
	fl_lock_take(&region->lock);
	FOR_EACH_UNIT(unit, mask, granule, ntouched)
		region->units[unit].dirty |= mask;
	FOR_EACH_UNIT(unit, mask, granule, n) {
		struct fl_unit *u = &region->units[unit];
		fl_unit_set_free(region, unit, u->free | mask);
		if ((u->present & mask) != 0 && !region->held) {
			now = now ? now : fl_os_clock_ms();
			u->idle_since = (uint32_t)now;
			region->groups[unit / FL_GROUP_UNITS].idle |= UINT64_C(1) << (unit % FL_GROUP_UNITS);
		}
	}
	fl_counter_add(&region->taken, -(n << FL_GRANULE_SHIFT));
	bool due = now != 0 && fl_purge_schedule(region, now);
	fl_lock_put(&region->lock);
	if (due)
		fl_extent_purge(region, FL_PURGE_EXPIRED);
}
