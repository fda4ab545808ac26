/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Huge pages for ordinary memory: which units are advised to have one.
 *
 * A region gets them from a size on that makes them worth it. The machine has a say, too: where a host has taken back what
 * its guest left free, a huge page costs 5 ms and not a quarter of one, while small pages are often those that were freed a
 * moment ago. So where pages come with faults, the first unit in use of what the frontier has moved over is brought in at
 * once and timed. If that was fast the other units are advised as well; if not, none is until the region has doubled.
 *
 * Discarding a part of a huge page splits it, and khugepaged would fill the hole again: the unit's advice is taken away
 * first, and given again once the unit is discarded whole. Each such unit costs a mapping or two, so there are not many.
 */
#include "extent/internal.h"
#include "os/kernel.h"
#include "os/os.h"

/* What 512 small pages cost. */
#define SLOW_NS 600000

/* Units that may be split at a time. */
#define SPLIT_MOST 8192

static int advise(const struct fl_region *region, size_t from, size_t to, int advice)
{
	size_t first = from * FL_UNIT_GRANULES, end = fl_min(to * FL_UNIT_GRANULES, region->frontier);

	return fl_os_madvise(fl_granule_address(region, first), (end - first) << FL_GRANULE_SHIFT, advice);
}

/* Under the region's lock. Units that have small pages already keep them, until they are discarded whole. */
static void make_huge(struct fl_region *region, size_t from, size_t to)
{
	struct fl_unit *units = region->units;

	for (size_t end; from < to; from = end + 1) {
		for (end = from; end < to && units[end].present == 0;)
			end++;
		bool advised = end > from && advise(region, from, end, MADV_HUGEPAGE) == 0;
		for (size_t unit = from; unit < end; unit++)
			units[unit].huge = advised;
		if (end < to && !units[end].huge && !units[end].split && region->nsplit < SPLIT_MOST) {
			units[end].split = true;
			region->nsplit++;
		}
	}
}

void fl_thp_grow(struct fl_region *region, size_t from, size_t to)
{
	size_t first = from / FL_UNIT_GRANULES, end = fl_div_up(to, FL_UNIT_GRANULES);

	if (to < region->advise_from)
		return;
	if (!region->tries_huge) {
		make_huge(region, first, end);
		return;
	}
	if (region->untried.from == region->untried.to)
		region->untried.from = first;
	region->untried.to = end;
}

bool fl_thp_take_trial(struct fl_region *region, size_t granule, size_t n, struct fl_thp_trial *trial)
{
	struct fl_unit_range *untried = &region->untried;
	size_t unit = fl_max(granule / FL_UNIT_GRANULES, untried->from);
	size_t end = fl_min(fl_div_up(granule + n, FL_UNIT_GRANULES), fl_min(untried->to, region->frontier / FL_UNIT_GRANULES));

	while (unit < end && region->units[unit].present != 0)
		unit++;
	if (unit >= end)
		return false;
	*trial = (struct fl_thp_trial){ unit, *untried };
	*untried = (struct fl_unit_range){ 0, 0 };
	return true;
}

void fl_thp_try(struct fl_region *region, const struct fl_thp_trial *trial)
{
	fl_lock_take(&region->lock);
	make_huge(region, trial->unit, trial->unit + 1);
	fl_lock_put(&region->lock);

	uint64_t before = fl_os_cpu_ns();
	fl_os_madvise(fl_granule_address(region, trial->unit * FL_UNIT_GRANULES), FL_UNIT, MADV_POPULATE_WRITE);
	bool slow = fl_os_cpu_ns() - before > SLOW_NS;

	fl_lock_take(&region->lock);
	if (slow)
		region->advise_from = 2 * trial->range.to * FL_UNIT_GRANULES;
	else
		make_huge(region, trial->range.from, trial->range.to);
	fl_lock_put(&region->lock);
}

void fl_thp_restore(const struct fl_region *region, size_t unit)
{
	if (region->units[unit].huge)
		advise(region, unit, unit + 1, MADV_HUGEPAGE);
}

/* Under the region's lock: the advice for a unit becomes that for small pages, or what it was before that. */
static void set_split(struct fl_region *region, size_t unit, bool split)
{
	struct fl_unit *u = &region->units[unit];
	bool changes = split ? u->huge && region->nsplit < SPLIT_MOST : u->split;

	if (!changes || advise(region, unit, unit + 1, split ? MADV_NOHUGEPAGE : MADV_HUGEPAGE) != 0)
		return;
	u->huge = !split;
	u->split = split;
	region->nsplit = split ? region->nsplit + 1 : region->nsplit - 1;
}

void fl_thp_prepare_discard(struct fl_region *region, size_t unit, uint64_t mask)
{
	fl_lock_take(&region->lock);
	set_split(region, unit, mask != ~UINT64_C(0));
	fl_lock_put(&region->lock);
}

void fl_thp_refuse(struct fl_region *region, size_t unit, uint64_t mask)
{
	const struct fl_unit *u = &region->units[unit];

	fl_lock_take(&region->lock);
	if (u->present == 0 && (u->free | mask) == ~UINT64_C(0))
		set_split(region, unit, true);
	fl_lock_put(&region->lock);
}
