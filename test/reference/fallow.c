/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow's side: a region of ordinary memory, in small pages, where nothing decays by itself.
 */
#include "extent/extent.h"

#include <string.h>

#include "diag/options.h"
#include "extent/internal.h"
#include "test/reference/side.h"

_Static_assert(GRANULE == FL_GRANULE, "granules are granules");

#define RESERVE FL_GIB

static struct fl_region *region;

static void begin(void)
{
	const struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .populate = FALLOW_POPULATE_WRITE, .fd = -1, .node = -1 },
		.reserve = RESERVE, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_NEVER,
	};

	if (fl_region_create(&options, &region) != 0)
		differ("fallow", "no region");
}

static char *take(size_t n, size_t alignment, bool *zero)
{
	size_t granule;
	bool wanted = *zero;

	if (fl_extent_take(region, n, alignment, &granule).reason != FALLOW_REASON_NONE ||
	    fl_extent_populate(region, granule, n, FL_USE_UNKNOWN, zero).reason != FALLOW_REASON_NONE)
		differ("fallow", "no extent");
	if (wanted && !*zero) {
		fl_extent_zero(region, granule, n);
		*zero = true;
	}
	return fl_granule_address(region, granule);
}

static void put(char *extent, size_t n)
{
	fl_extent_put(region, fl_granule_of(region, extent), n, n);
}

static bool resize(char *extent, size_t n, size_t to)
{
	size_t granule = fl_granule_of(region, extent);
	bool zero;

	if (to < n) {
		fl_extent_put(region, granule + to, n - to, n - to);
		return true;
	}
	if (!fl_extent_extend(region, granule, n, to - n))
		return false;
	if (fl_extent_populate(region, granule + n, to - n, FL_USE_UNKNOWN, &zero).reason != FALLOW_REASON_NONE)
		differ("fallow", "no memory");
	return true;
}

static void purge(void)
{
	fl_extent_purge(region, FL_PURGE_ALL);
}

static size_t live(void)
{
	return region->taken;
}

static size_t mapped(void)
{
	return region->frontier << FL_GRANULE_SHIFT;
}

/* As the kernel has it, which must be as the books have it. */
static size_t resident(void)
{
	size_t bytes = count_resident((char *)region->base, mapped());

	if (bytes != region->present)
		differ("fallow", "what is in memory is not what its books say");
	return bytes;
}

/* A run of everything that is mapped begins at the beginning. */
static bool is_whole(void)
{
	size_t n = region->frontier, granule;

	if (fl_extent_take(region, n, FL_GRANULE, &granule).reason != FALLOW_REASON_NONE)
		return false;
	bool whole = granule == 0 && region->frontier == n;
	fl_extent_put(region, granule, n, 0);
	return whole;
}

const struct side fallow_side = {
	.name = "fallow", .begin = begin, .take = take, .put = put, .resize = resize, .purge = purge,
	.live = live, .resident = resident, .mapped = mapped, .is_whole = is_whole,
};

static bool forget_dirt(void)
{
	bool any = false;

	for (size_t unit = 0; unit * FL_UNIT_GRANULES < region->frontier; unit++) {
		struct fl_unit *u = &region->units[unit];
		any |= (u->free & u->present & u->dirty) != 0;
		u->dirty &= ~u->free;
	}
	return any;
}

bool fallow_spoil(const char *what, char *live)
{
	size_t granule = fl_granule_of(region, live);
	struct fl_unit *u = &region->units[granule / 64];

	if (strcmp(what, "overlap") == 0)
		fl_unit_set_free(region, granule / 64, u->free | UINT64_C(1) << (granule % 64));
	else if (strcmp(what, "dirt") == 0)
		return forget_dirt();
	else if (strcmp(what, "loss") == 0 && u->free != 0)
		fl_unit_set_free(region, granule / 64, u->free & (u->free - 1));
	else if (strcmp(what, "books") == 0)
		fl_counter_add(&region->present, FL_GRANULE);
	else
		return false;
	return true;
}
