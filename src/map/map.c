/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Creating and destroying maps, and what they say of themselves. See fallow/map.h for the contract.
 */
#include "map/map.h"

#include <errno.h>

#include "map/maps.h"
#include "map/snapshot.h"
#include "map/volatile.h"
#include "meta/claim.h"
#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"

/* Claims that turn out to be somebody else's place before another is tried. */
#define NCLAIMS 8

#define NODES_MOST 1024

static bool is_valid(const struct fallow_map_options *o)
{
	return o->size == sizeof(*o) && (unsigned int)o->guard <= FALLOW_GUARD_TRAP &&
	       (unsigned int)o->thp <= FALLOW_THP_NEVER && o->node >= -1 && o->node < NODES_MOST &&
	       (o->length != 0 || o->backing == FALLOW_BACKING_FILE);
}

/* Shared anonymous memory is a memfd that nobody else has: then its storage can be asked for. */
static enum fallow_backing kind_of(const struct fallow_map_options *o)
{
	bool anonymous = o->backing == FALLOW_BACKING_ANON || o->backing == FALLOW_BACKING_HUGETLB;

	return anonymous && o->share == FALLOW_SHARE_SHARED ? FALLOW_BACKING_MEMFD : o->backing;
}

static int create_backing(struct fallow_map *map, const struct fallow_map_options *o)
{
	struct fl_backing_options options = {
		.kind = kind_of(o),
		.share = o->share,
		.populate = o->populate == FALLOW_POPULATE_NONE ? FALLOW_POPULATE_WRITE : o->populate,
		.fork = o->fork,
		.page_size = o->page_size,
		.fd = o->fd,
		.closed = o->guard == FALLOW_GUARD_TRAP,
		.node = o->node,
		.name = o->name && *o->name ? o->name : "fallow map",
	};
	int result = 0;

	if (o->backing == FALLOW_BACKING_HUGETLB && options.kind == FALLOW_BACKING_MEMFD)
		result = fl_backing_huge_page(&options.page_size);
	return result == 0 ? fl_backing_create(&map->backing, &options) : result;
}

/* Bytes, whole pages. */
static int measure(struct fallow_map *map, const struct fallow_map_options *o)
{
	size_t longest = fl_claim_longest(), page = map->backing.page_size;
	uint64_t length = o->length != 0 ? o->length : map->backing.file_length;

	if (length == 0 || (o->limit != 0 && o->limit < page))
		return -EINVAL;
	if (length > longest || o->reserve > longest)
		return -ENOMEM;
	map->page_size = page;
	map->length = fl_align_up(length, page);
	map->reserve = fl_max(map->length, fl_align_up(o->reserve, page));
	map->limit = o->limit / page;
	return 0;
}

static int answer(struct fl_failure failure, size_t length)
{
	fl_failure_keep(failure, length);
	return failure.reason == FALLOW_REASON_ADDRESS_SPACE ? -ENOMEM : failure.error;
}

/* Map the backing into a claim. Others may have mapped something where a claim lies: that one is left to them. */
static int activate(struct fallow_map *map)
{
	uintptr_t taken[NCLAIMS];
	size_t n = 0;
	struct fl_failure failure = { FALLOW_REASON_ADDRESS_SPACE, -ENOMEM };

	for (; n < NCLAIMS && fl_claim_take(map->reserve, &taken[n]) == 0; n++) {
		failure = fl_backing_activate(&map->backing, (void *)taken[n], map->length, 0);
		if (failure.error != -EEXIST)
			break;
	}
	bool mapped = failure.reason == FALLOW_REASON_NONE;
	if (mapped)
		map->base = taken[n];
	for (size_t i = 0; i < n + !mapped && i < NCLAIMS; i++)
		fl_claim_put(taken[i], map->reserve);
	return mapped ? 0 : answer(failure, map->length);
}

static void advise(const struct fallow_map *map, enum fallow_thp thp)
{
	if (map->backing.kind != FALLOW_BACKING_ANON || thp == FALLOW_THP_AUTO)
		return;
	fl_os_madvise((void *)map->base, map->length, thp == FALLOW_THP_ALWAYS ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void deactivate(const struct fallow_map *map)
{
	if (fl_os_munmap((void *)map->base, map->length) == 0)
		fl_claim_put(map->base, map->reserve);
}

static int create(struct fallow_map *map, const struct fallow_map_options *o)
{
	int result = create_backing(map, o);
	if (result != 0)
		return result;
	result = measure(map, o);
	if (result != 0)
		goto destroy_backing;
	fl_lock_init(&map->lock, FL_RANK_MAP);
	fl_range_lock_init(&map->ranges);
	result = activate(map);
	if (result != 0)
		goto destroy_backing;
	advise(map, o->thp);
	size_t npages = map->length / map->page_size, npages_most = map->reserve / map->page_size;
	result = fl_pageset_create(&map->populated, npages_most);
	if (result != 0)
		goto deactivate;
	if (o->guard == FALLOW_GUARD_TRAP)
		result = fl_guard_create(&map->guard, map->base, map->page_size, npages, npages_most);
	if (result == 0)
		return 0;

	fl_pageset_destroy(&map->populated);
deactivate:
	deactivate(map);
destroy_backing:
	fl_backing_destroy(&map->backing);
	return result;
}

int fallow_map_create(const struct fallow_map_options *options, struct fallow_map **map)
{
	if (map == NULL || options == NULL || !is_valid(options))
		return -EINVAL;
	struct fallow_map *made = fl_meta_alloc(sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	int result = create(made, options);
	if (result != 0) {
		fl_meta_free(made, sizeof(*made));
		return result;
	}
	fl_maps_add(made);
	*map = made;
	return 0;
}

int fallow_map_destroy(struct fallow_map *map)
{
	if (map == NULL)
		return 0;
	if (fl_snapshot_is_taken(map))
		return -EBUSY;
	fl_maps_remove(map);
	fl_snapshot_destroy(map);
	fl_dirty_destroy(map);
	deactivate(map);
	fl_guard_destroy(&map->guard);
	fl_volatile_destroy(map);
	fl_pageset_destroy(&map->populated);
	fl_backing_destroy(&map->backing);
	fl_meta_free(map, sizeof(*map));
	return 0;
}

void *fallow_map_base(const struct fallow_map *map)
{
	return (void *)map->base;
}

size_t fallow_map_size(const struct fallow_map *map)
{
	return __atomic_load_n(&map->length, __ATOMIC_RELAXED);
}

size_t fallow_map_page_size(const struct fallow_map *map)
{
	return map->page_size;
}

int fallow_map_set_limit(struct fallow_map *map, size_t limit)
{
	if (map == NULL || (limit != 0 && limit < map->page_size))
		return -EINVAL;
	fl_lock_take(&map->lock);
	map->limit = limit / map->page_size;
	fl_lock_put(&map->lock);
	return 0;
}

/* What a file holds in memory or on disk. */
static uint64_t storage(const struct fallow_map *map)
{
	const struct fl_backing *backing = &map->backing;
	struct stat file;

	if (backing->fd < 0 || fl_backing_check_fd(backing) != 0 || fl_os_fstat(backing->fd, &file) != 0)
		return 0;
	return (uint64_t)file.st_blocks * 512;
}

int fallow_map_stats(struct fallow_map *map, struct fallow_map_stat *stat)
{
	if (map == NULL || stat == NULL || stat->size != sizeof(*stat))
		return -EINVAL;
	uint64_t stored = storage(map);
	fl_lock_take(&map->lock);
	*stat = (struct fallow_map_stat){
		.size = sizeof(*stat),
		.page_size = map->page_size,
		.length = fallow_map_size(map),
		.reserve = map->reserve,
		.limit = map->limit * map->page_size,
		.populated = map->populated.count * map->page_size,
		.purgeable = map->volatiles ? map->volatiles->pages.count * map->page_size : 0,
		.storage = stored,
		.npopulates = map->npopulates,
		.ndiscards = map->ndiscards,
		.nfailures = map->nfailures,
		.guard = map->guard.kind,
	};
	fl_lock_put(&map->lock);
	return 0;
}
