/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making and finding regions.
 */
#include "extent/region.h"

#include <errno.h>

#include "base/poison.h"
#include "extent/decay.h"
#include "extent/internal.h"
#include "meta/claim.h"
#include "meta/meta.h"
#include "os/os.h"

#define NREGIONS 4096

/*
 * Slots are written under the registry's lock and read without any: version is odd while the others change
 * (a sequence lock: H.-J. Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012).
 *
 * A reader never looks into a region to find out whether it is the right one: it may be gone, and its memory something
 * else's. It believes what it read of a slot if that was true together, and passes over a slot that changed meanwhile:
 * that is not the one it is after. To know an address in a region is to come after the region's creation, and a region
 * whose memory is in use is not destroyed, so its slot does not change, nor is there an older one for the same place.
 */
struct fl_region_registry fl_region_registry = { .lock = FL_LOCK_INIT(FL_RANK_REGISTRY) };

/* Not among what is initialised: a slot costs no memory until it is used. */
struct fl_region_slot fl_region_slots[NREGIONS];

/* Under the registry's lock. */
static void write_slot(struct fl_region_slot *slot, uintptr_t base, size_t length, struct fl_region *region)
{
	uint64_t version = slot->version | 1;

	/* Whoever sees one of the three that follow sees that version is odd, or later. */
	__atomic_store_n(&slot->version, version, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->base, base, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->length, length, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->region, region, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->version, version + 1, __ATOMIC_RELEASE);
}

static int register_region(struct fl_region *region)
{
	int result = -ENOMEM;

	fl_lock_take(&fl_region_registry.lock);
	for (size_t i = 0; i < NREGIONS; i++) {
		struct fl_region_slot *slot = &fl_region_slots[i];
		if (slot->region == NULL) {
			write_slot(slot, region->base, region->nreserved << FL_GRANULE_SHIFT, region);
			if (i >= fl_region_registry.nslots)
				__atomic_store_n(&fl_region_registry.nslots, i + 1, __ATOMIC_RELEASE);
			result = 0;
			break;
		}
	}
	fl_lock_put(&fl_region_registry.lock);
	return result;
}

static void unregister_region(const struct fl_region *region)
{
	fl_lock_take(&fl_region_registry.lock);
	for (size_t i = 0; i < fl_region_registry.nslots; i++) {
		if (fl_region_slots[i].region == region)
			write_slot(&fl_region_slots[i], 0, 0, NULL);
	}
	fl_lock_put(&fl_region_registry.lock);
}

/* The slot's region if the address lies in it. */
static struct fl_region *find_in_slot(const struct fl_region_slot *slot, const void *address)
{
	uint64_t version = __atomic_load_n(&slot->version, __ATOMIC_ACQUIRE);
	uintptr_t base = __atomic_load_n(&slot->base, __ATOMIC_ACQUIRE);
	size_t length = __atomic_load_n(&slot->length, __ATOMIC_ACQUIRE);
	struct fl_region *region = __atomic_load_n(&slot->region, __ATOMIC_ACQUIRE);

	if ((uintptr_t)address - base >= length)
		return NULL;
	bool changed = version % 2 != 0 || __atomic_load_n(&slot->version, __ATOMIC_RELAXED) != version;
	return changed ? NULL : region;
}

struct fl_region *fl_region_find(const void *address)
{
	size_t n = __atomic_load_n(&fl_region_registry.nslots, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < n; i++) {
		struct fl_region *region = find_in_slot(&fl_region_slots[i], address);
		if (region)
			return region;
	}
	return NULL;
}

struct fl_region *fl_region_next(const struct fl_region *after)
{
	size_t n = __atomic_load_n(&fl_region_registry.nslots, __ATOMIC_ACQUIRE);
	bool found = after == NULL;

	for (size_t i = 0; i < n; i++) {
		struct fl_region *region = __atomic_load_n(&fl_region_slots[i].region, __ATOMIC_ACQUIRE);
		if (region && found)
			return region;
		if (region == after)
			found = true;
	}
	return NULL;
}

struct table_layout {
	size_t element_size;
	size_t granules; /* that one element describes */
};

enum { TABLE_MAP, TABLE_CLASSES, TABLE_DESCRIPTORS, TABLE_UNITS, TABLE_GROUPS, NTABLES };

static const struct table_layout layouts[NTABLES] = {
	[TABLE_MAP] = { sizeof(uint64_t), 1 },
	[TABLE_CLASSES] = { sizeof(uint8_t), 1 },
	[TABLE_DESCRIPTORS] = { FL_DESCRIPTOR_SIZE, 1 },
	[TABLE_UNITS] = { sizeof(struct fl_unit), FL_UNIT_GRANULES },
	[TABLE_GROUPS] = { sizeof(struct fl_group), FL_UNIT_GRANULES * FL_GROUP_UNITS },
};

_Static_assert(FL_LENGTH(((struct fl_region *)0)->tables) == NTABLES, "a region holds one table for each layout");

/* Claim address space for the tables and lay them out in it. */
static int create_tables(struct fl_region *region)
{
	size_t footprint = 0;

	for (size_t i = 0; i < NTABLES; i++)
		footprint += fl_table_footprint(layouts[i].element_size,
						fl_div_up(region->nreserved, layouts[i].granules));
	int result = fl_claim_take(footprint, &region->metadata_base);
	if (result != 0)
		return result;
	region->metadata_length = footprint;
	uintptr_t at = region->metadata_base;
	for (size_t i = 0; i < NTABLES; i++) {
		size_t nelements = fl_div_up(region->nreserved, layouts[i].granules);
		fl_table_create(&region->tables[i], at, layouts[i].element_size, nelements);
		at += fl_table_footprint(layouts[i].element_size, nelements);
	}
	region->map = (uint64_t *)region->tables[TABLE_MAP].base;
	region->classes = (uint8_t *)region->tables[TABLE_CLASSES].base;
	region->descriptors = region->tables[TABLE_DESCRIPTORS].base;
	region->units = (struct fl_unit *)region->tables[TABLE_UNITS].base;
	region->groups = (struct fl_group *)region->tables[TABLE_GROUPS].base;
	return 0;
}

/* What cannot be unmapped keeps its claim. */
static void destroy_tables(struct fl_region *region)
{
	bool gone = true;

	for (size_t i = 0; i < NTABLES; i++)
		gone = fl_table_destroy(&region->tables[i]) && gone;
	if (gone)
		fl_claim_put(region->metadata_base, region->metadata_length);
}

int fl_region_grow_tables(struct fl_region *region, size_t ngranules)
{
	for (size_t i = 0; i < NTABLES; i++) {
		int result = fl_table_grow(&region->tables[i], fl_div_up(ngranules, layouts[i].granules));
		if (result != 0)
			return result;
	}
	return 0;
}

static int create(struct fl_region *region, const struct fl_region_options *options)
{
	int result = fl_backing_create(&region->backing, &options->backing);
	if (result != 0)
		return result;

	size_t page = region->backing.page_size;
	size_t alignment = fl_max(FL_UNIT, page);
	if (options->reserve == 0 || options->reserve > fl_claim_longest()) {
		result = -ENOMEM;
		goto destroy_backing;
	}
	size_t length = fl_align_up(options->reserve, alignment);
	region->nreserved = length >> FL_GRANULE_SHIFT;
	region->page_granules = fl_max(page >> FL_GRANULE_SHIFT, 1);
	/* A huge page at the end of a limit would hold more than the limit. */
	bool limited = options->limit != 0 && options->thp == FALLOW_THP_AUTO;
	region->advise_from = limited || options->thp == FALLOW_THP_NEVER || options->backing.kind != FALLOW_BACKING_ANON ||
					      region->backing.shared ?
				      SIZE_MAX :
				      options->huge_from >> FL_GRANULE_SHIFT;
	region->held = options->held;
	region->gated = fl_backing_is_memory(&region->backing) &&
			(region->backing.populate != FALLOW_POPULATE_NONE || options->gate_faults);
	region->provable = fl_backing_can_prove(&region->backing) && options->thp != FALLOW_THP_NEVER;
	region->limit = fl_align_down(options->limit, page);
	region->decay = options->decay;
	region->tries_huge = options->thp == FALLOW_THP_AUTO && options->backing.populate == FALLOW_POPULATE_NONE;
	region->uncharge = -1;
	fl_lock_init(&region->lock, FL_RANK_REGION);
	fl_lock_init(&region->populate_lock, FL_RANK_POPULATE);
	fl_region_init_holder(region);
	if (options->limit != 0 && region->limit == 0) {
		result = -EINVAL;
		goto destroy_backing;
	}
	result = fl_claim_take(length, &region->base);
	if (result != 0)
		goto destroy_backing;
	result = create_tables(region);
	if (result != 0)
		goto put_claim;
	result = register_region(region);
	if (result == 0)
		return 0;

	destroy_tables(region);
put_claim:
	fl_claim_put(region->base, length);
destroy_backing:
	fl_backing_destroy(&region->backing);
	return result;
}

/* The program's leak sanitizer, where it has one. */
void __lsan_register_root_region(const void *start, size_t length) __attribute__((weak));
void __lsan_unregister_root_region(const void *start, size_t length) __attribute__((weak));

/* What blocks point at is not lost. Where memory may be missing it must not look. */
static bool is_root(const struct fl_region *region)
{
	return region->backing.kind == FALLOW_BACKING_ANON && __lsan_register_root_region && __lsan_unregister_root_region;
}

int fl_region_create(const struct fl_region_options *options, struct fl_region **region)
{
	struct fl_region *made = fl_meta_alloc(sizeof(*made));

	if (made == NULL)
		return -ENOMEM;
	int result = create(made, options);
	if (result != 0) {
		fl_meta_free(made, sizeof(*made));
		return result;
	}
	if (fl_backing_is_pooled(&made->backing))
		fl_fork_add(&made->holder);
	if (is_root(made))
		__lsan_register_root_region((void *)made->base, made->nreserved << FL_GRANULE_SHIFT);
	*region = made;
	return 0;
}

static void unmap(struct fl_region *region)
{
	size_t length = region->frontier << FL_GRANULE_SHIFT;

	fl_unpoison((void *)region->base, length);
	if (length != 0 && region->backing.fd >= 0)
		fl_backing_discard(&region->backing, (void *)region->base, length, 0);
	if (length == 0 || fl_os_munmap((void *)region->base, length) == 0)
		fl_claim_put(region->base, region->nreserved << FL_GRANULE_SHIFT);
	else if (region->backing.fd < 0)
		fl_backing_discard(&region->backing, (void *)region->base, length, 0);
}

void fl_region_destroy(struct fl_region *region)
{
	if (is_root(region))
		__lsan_unregister_root_region((void *)region->base, region->nreserved << FL_GRANULE_SHIFT);
	if (fl_backing_is_pooled(&region->backing))
		fl_fork_remove(&region->holder);
	fl_decay_pause();
	unregister_region(region);
	fl_decay_resume();
	unmap(region);
	destroy_tables(region);
	fl_backing_destroy(&region->backing);
	fl_meta_free(region, sizeof(*region));
}

void fl_region_mend_tables(struct fl_region *region)
{
	for (size_t i = 0; i < NTABLES; i++) {
		struct fl_table *table = &region->tables[i];
		fl_os_munmap(table->base + table->mapped, table->length - table->mapped);
	}
}

void fl_region_set_limit(struct fl_region *region, size_t limit)
{
	fl_lock_take(&region->lock);
	region->limit = limit;
	fl_lock_put(&region->lock);
}

void fl_region_fork_child(void)
{
	fl_lock_init(&fl_region_registry.lock, FL_RANK_REGISTRY);
	for (struct fl_region *region = NULL; (region = fl_region_next(region)) != NULL;) {
		bool held = region->lock.word != 0;
		fl_lock_init(&region->populate_lock, FL_RANK_POPULATE);
		fl_lock_init(&region->lock, FL_RANK_REGION);
		/* Whoever was purging is not here, and a handler may have forked in the middle of a wait for it. */
		region->npurging = 0;
		region->npurged++;
		if (held)
			fl_region_mend(region);
	}
}
