/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where everything lies that can be seen from outside.
 */
#include "cache/live.h"

#include "cache/threads.h"
#include "diag/moment.h"
#include "map/maps.h"
#include "meta/meta.h"
#include "os/os.h"

#define ELEMENT(element, type) { element, 0, sizeof(type) }
#define FIELD(name, type, member) { name, offsetof(type, member), sizeof(((type *)0)->member) }

static const struct fallow_live_field fields[] = {
	ELEMENT("slot", struct fl_region_slot),
	FIELD("slot.version", struct fl_region_slot, version),
	FIELD("slot.region", struct fl_region_slot, region),

	ELEMENT("region", struct fl_region),
	FIELD("region.base", struct fl_region, base),
	FIELD("region.nreserved", struct fl_region, nreserved),
	FIELD("region.frontier", struct fl_region, frontier),
	FIELD("region.limit", struct fl_region, limit),
	FIELD("region.taken", struct fl_region, taken),
	FIELD("region.present", struct fl_region, present),
	FIELD("region.npopulates", struct fl_region, npopulates),
	FIELD("region.ndiscards", struct fl_region, ndiscards),
	FIELD("region.held", struct fl_region, held),
	FIELD("region.kind", struct fl_region, backing.kind),
	FIELD("region.shared", struct fl_region, backing.shared),
	FIELD("region.huge", struct fl_region, backing.huge),
	FIELD("region.page_size", struct fl_region, backing.page_size),
	FIELD("region.populate", struct fl_region, backing.populate),
	FIELD("region.name", struct fl_region, backing.name),
	FIELD("region.units", struct fl_region, units),
	FIELD("region.map", struct fl_region, map),
	FIELD("region.descriptors", struct fl_region, descriptors),
	{ "descriptor", 0, FL_DESCRIPTOR_SIZE },

	ELEMENT("unit", struct fl_unit),
	FIELD("unit.free", struct fl_unit, free),
	FIELD("unit.present", struct fl_unit, present),
	FIELD("unit.huge", struct fl_unit, huge),

	ELEMENT("arena", struct fallow_arena),
	FIELD("arena.serial", struct fallow_arena, serial),
	FIELD("arena.region", struct fallow_arena, region),
	FIELD("arena.blocks", struct fallow_arena, blocks),
	FIELD("arena.spill", struct fallow_arena, spill),
	FIELD("arena.explicit", struct fallow_arena, is_explicit),
	FIELD("arena.shares_region", struct fallow_arena, shares_region),
	FIELD("arena.limit", struct fallow_arena, limit),
	FIELD("arena.taken", struct fallow_arena, taken),
	FIELD("arena.spilled", struct fallow_arena, spilled),
	FIELD("arena.large", struct fallow_arena, large),
	FIELD("arena.nlarge", struct fallow_arena, nlarge),
	FIELD("arena.nslabs", struct fallow_arena, nslabs),
	FIELD("arena.nfailures", struct fallow_arena, nfailures),

	ELEMENT("failure", struct fl_failure_slot),
	FIELD("failure.version", struct fl_failure_slot, version),
	FIELD("failure.time_ms", struct fl_failure_slot, time_ms),
	FIELD("failure.requested", struct fl_failure_slot, requested),
	FIELD("failure.headroom", struct fl_failure_slot, headroom),
	FIELD("failure.reason", struct fl_failure_slot, reason),
	FIELD("failure.error", struct fl_failure_slot, error),

	ELEMENT("map", struct fallow_map),
	FIELD("map.next", struct fallow_map, next),
	FIELD("map.base", struct fallow_map, base),
	FIELD("map.length", struct fallow_map, length),
	FIELD("map.reserve", struct fallow_map, reserve),
	FIELD("map.page_size", struct fallow_map, page_size),
	FIELD("map.limit", struct fallow_map, limit),
	FIELD("map.populated", struct fallow_map, populated.count),
	FIELD("map.npopulates", struct fallow_map, npopulates),
	FIELD("map.ndiscards", struct fallow_map, ndiscards),
	FIELD("map.kind", struct fallow_map, backing.kind),
	FIELD("map.shared", struct fallow_map, backing.shared),
	FIELD("map.huge", struct fallow_map, backing.huge),
	FIELD("map.name", struct fallow_map, backing.name),

	ELEMENT("cache", struct fl_cache),
	FIELD("cache.heads", struct fl_cache, heads),
	FIELD("cache.arena", struct fl_cache, arena),

	ELEMENT("slab", struct fl_slab),
	FIELD("slab.below", struct fl_slab, below),
	FIELD("slab.nslots", struct fl_slab, nslots),
	FIELD("slab.ncarved", struct fl_slab, ncarved),
	FIELD("slab.class", struct fl_slab, class),

	ELEMENT("large", struct fl_large),
	FIELD("large.arena", struct fl_large, arena),
	FIELD("large.size", struct fl_large, size),
	FIELD("large.n", struct fl_large, n),

	ELEMENT("class", struct fl_class),
	FIELD("class.size", struct fl_class, size),
};

/* Kept when all of the program is optimised as one: nobody in it looks. */
__attribute__((used, aligned(FALLOW_LIVE_ALIGNMENT))) struct fallow_live fl_live = {
	.magic = { FALLOW_LIVE_MAGIC },
	.self = &fl_live,
	.version = FALLOW_LIVE_VERSION,
	.size = sizeof(fl_live),
	.fields = fields,
	.nfields = FL_LENGTH(fields),
	.granule = FL_GRANULE,
	.unit_granules = FL_UNIT_GRANULES,
	.slots = fl_region_slots,
	.nslots = &fl_region_registry.nslots,
	.arenas = fl_arena_by_index,
	.narenas = &fl_arena_registry.n,
	.failures = fl_failure_slots,
	.nfailure_slots = FALLOW_NFAILURES,
	.nfailures = &fl_nfailures,
	.metadata = &fl_meta_nbytes,
	.ncaches = &fl_ncaches,
	.caches = fl_cache_with_id,
	.classes = fl_classes,
	.nclasses = FL_NCLASSES,
	.reasons = fl_reason_texts,
	.nreasons = FL_NREASONS,
	.maps = &fl_map_list.first,
	.maps_version = &fl_map_list.version,
};

void fl_live_start(char **environment)
{
	__atomic_store_n(&fl_live.started_ms, fl_os_clock_ms(), __ATOMIC_RELEASE);
	fl_moment_start(environment);
}
