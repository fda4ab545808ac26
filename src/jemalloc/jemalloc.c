/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's extent hooks on a map or a pool. See fallow/jemalloc.h for the contract.
 *
 * jemalloc cuts what it gets, and gives back, by its own pages, which may be much smaller than those of the map or pool.
 * So addresses are handed out by pieces of the system's page size, first-fit, and a page has memory as long as one of its
 * pieces is live:
 *
 *     pages   |      held     |      held     |  not held     |     of a map, all are held
 *     pieces  | x u . . . . . | . . . . u u u |               |     u: used, that is jemalloc's; x: live, committed too
 *
 * The sets are guarded by lock. Which pages have memory changes under pages_lock: who finds a piece to be the last of its
 * page discards the page before anybody can bring it in again for another.
 */
#include <fallow/jemalloc.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "diag/valgrind.h"
#include "map/map.h"
#include "meta/meta.h"
#include "os/os.h"
#include "pool/pool.h"

/* As jemalloc declares it, from 5.0 on. */
struct extent_hooks_s {
	void *(*alloc)(struct extent_hooks_s *hooks, void *new_addr, size_t size, size_t alignment, bool *zero,
		       bool *commit, unsigned int arena);
	bool (*dalloc)(struct extent_hooks_s *hooks, void *addr, size_t size, bool committed, unsigned int arena);
	void (*destroy)(struct extent_hooks_s *hooks, void *addr, size_t size, bool committed, unsigned int arena);
	bool (*commit)(struct extent_hooks_s *hooks, void *addr, size_t size, size_t offset, size_t length,
		       unsigned int arena);
	bool (*decommit)(struct extent_hooks_s *hooks, void *addr, size_t size, size_t offset, size_t length,
			 unsigned int arena);
	bool (*purge_lazy)(struct extent_hooks_s *hooks, void *addr, size_t size, size_t offset, size_t length,
			   unsigned int arena);
	bool (*purge_forced)(struct extent_hooks_s *hooks, void *addr, size_t size, size_t offset, size_t length,
			     unsigned int arena);
	bool (*split)(struct extent_hooks_s *hooks, void *addr, size_t size, size_t size_a, size_t size_b, bool committed,
		      unsigned int arena);
	bool (*merge)(struct extent_hooks_s *hooks, void *addr_a, size_t size_a, void *addr_b, size_t size_b,
		      bool committed, unsigned int arena);
};

struct fallow_jemalloc {
	struct extent_hooks_s hooks; /* first: hooks are called with its address */

	/* Fixed after creation. */
	struct fallow_map *map;
	struct fallow_pool *pool;
	uintptr_t base;
	size_t piece;       /* bytes */
	size_t page_size;   /* bytes */
	size_t page_pieces; /* pieces in a page */
	size_t npages;

	struct fl_lock pages_lock;
	struct fl_lock lock;
	struct fl_pageset used; /* pieces */
	struct fl_pageset live; /* of these */
	struct fl_pageset held; /* pages taken from the pool */
	bool torn;              /* a child of fork that found the lock held: the sets are not to be trusted */

	struct fallow_jemalloc *next; /* in the list of all */
};

/* Pieces, or pages, [first, end). */
struct run {
	size_t first;
	size_t end;
};

static struct {
	struct fl_lock lock;
	struct fallow_jemalloc *first;
	bool handled; /* atomic: the handler for fork is registered */
} all = { .lock = FL_LOCK_INIT(FL_RANK_JEMALLOC) };

static struct run pieces_at(const struct fallow_jemalloc *jemalloc, const void *address, size_t length)
{
	size_t first = ((uintptr_t)address - jemalloc->base) / jemalloc->piece;

	return (struct run){ first, first + length / jemalloc->piece };
}

static struct run pages_around(const struct fallow_jemalloc *jemalloc, struct run pieces)
{
	return (struct run){ pieces.first / jemalloc->page_pieces, fl_div_up(pieces.end, jemalloc->page_pieces) };
}

static struct run pieces_of(const struct fallow_jemalloc *jemalloc, struct run pages)
{
	return (struct run){ pages.first * jemalloc->page_pieces, pages.end * jemalloc->page_pieces };
}

static void *address_of(const struct fallow_jemalloc *jemalloc, size_t piece)
{
	return (void *)(jemalloc->base + piece * jemalloc->piece);
}

/* In granules of the pool's region. */
static struct run granules_of(const struct fallow_jemalloc *jemalloc, struct run pages)
{
	size_t n = jemalloc->pool->region->page_granules;

	return (struct run){ pages.first * n, pages.end * n };
}

/* Bring pages in. False: it cannot be had; the reason is kept. */
static bool populate(struct fallow_jemalloc *jemalloc, struct run pages)
{
	if (jemalloc->map)
		return fallow_map_populate(jemalloc->map, pages.first * jemalloc->page_size,
					   (pages.end - pages.first) * jemalloc->page_size, FALLOW_POPULATE_WRITE) == 0;

	struct run granules = granules_of(jemalloc, pages);
	bool zero;
	struct fl_failure failure = fl_extent_populate(jemalloc->pool->region, granules.first,
						       granules.end - granules.first, true, &zero);
	if (failure.reason == FALLOW_REASON_NONE)
		return true;
	fl_failure_keep(failure, (pages.end - pages.first) * jemalloc->page_size);
	return false;
}

/* Give the memory of pages back, their addresses staying ours. False: it is still there. */
static bool discard(struct fallow_jemalloc *jemalloc, struct run pages)
{
	if (jemalloc->map)
		return fallow_map_discard(jemalloc->map, pages.first * jemalloc->page_size,
					  (pages.end - pages.first) * jemalloc->page_size) == 0;
	if (jemalloc->pool->supply == FALLOW_POOL_HELD)
		return false;
	struct run granules = granules_of(jemalloc, pages);
	return fl_extent_discard(jemalloc->pool->region, granules.first, granules.end - granules.first) == 0;
}

/* The first free pieces in a run, so many, aligned to bytes; none: an empty run. */
static struct run find_in(const struct fallow_jemalloc *jemalloc, struct run within, size_t n, size_t alignment)
{
	for (size_t at = within.first, end; at < within.end; at = end) {
		size_t first = fl_pageset_next_absent(&jemalloc->used, at, within.end);
		uintptr_t aligned = fl_align_up((uintptr_t)address_of(jemalloc, first), alignment);
		first = (aligned - jemalloc->base) / jemalloc->piece;
		if (first >= within.end || within.end - first < n)
			break;
		end = fl_pageset_next(&jemalloc->used, first, first + n);
		if (end - first == n)
			return (struct run){ first, end };
	}
	return (struct run){ 0, 0 };
}

static struct run find(const struct fallow_jemalloc *jemalloc, size_t n, size_t alignment)
{
	struct run found = { 0, 0 };

	if (jemalloc->map)
		return find_in(jemalloc, pieces_of(jemalloc, (struct run){ 0, jemalloc->npages }), n, alignment);
	for (struct run pages = { 0, 0 }; found.end == 0; pages.first = pages.end) {
		pages.first = fl_pageset_next(&jemalloc->held, pages.first, jemalloc->npages);
		if (pages.first == jemalloc->npages)
			break;
		pages.end = fl_pageset_next_absent(&jemalloc->held, pages.first, jemalloc->npages);
		found = find_in(jemalloc, pieces_of(jemalloc, pages), n, alignment);
	}
	return found;
}

/* Take addresses from the pool for pages around so many pieces. */
static struct fl_failure take_from_pool(struct fallow_jemalloc *jemalloc, size_t n, size_t alignment, struct run *found)
{
	struct fl_region *region = jemalloc->pool->region;
	size_t npages = fl_div_up(n, jemalloc->page_pieces), granule;
	struct fl_failure failure = fl_extent_take(region, npages * region->page_granules,
						   fl_max(alignment, jemalloc->page_size), &granule);

	if (failure.reason != FALLOW_REASON_NONE)
		return failure;
	struct run pages = { granule / region->page_granules, granule / region->page_granules + npages };
	if (fl_pageset_reserve(&jemalloc->held, pages.first, pages.end) != 0) {
		fl_extent_put(region, granule, npages * region->page_granules, 0);
		return (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM };
	}
	fl_pageset_add(&jemalloc->held, pages.first, pages.end);
	found->first = pieces_of(jemalloc, pages).first;
	found->end = found->first + n;
	fl_valgrind_show(fl_granule_address(region, granule), npages * jemalloc->page_size);
	return failure;
}

/* With the lock held. */
static struct fl_failure take_locked(struct fallow_jemalloc *jemalloc, size_t n, size_t alignment, struct run *found)
{
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };

	*found = find(jemalloc, n, alignment);
	if (found->end == 0 && jemalloc->pool)
		failure = take_from_pool(jemalloc, n, alignment, found);
	else if (found->end == 0)
		failure.reason = FALLOW_REASON_ADDRESS_SPACE;
	if (failure.reason != FALLOW_REASON_NONE)
		return failure;

	if (fl_pageset_reserve(&jemalloc->used, found->first, found->end) != 0 ||
	    fl_pageset_reserve(&jemalloc->live, found->first, found->end) != 0)
		return (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM };
	fl_pageset_add(&jemalloc->used, found->first, found->end);
	return failure;
}

static bool take(struct fallow_jemalloc *jemalloc, size_t n, size_t alignment, struct run *found)
{
	fl_lock_take(&jemalloc->lock);
	struct fl_failure failure = take_locked(jemalloc, n, alignment, found);
	fl_lock_put(&jemalloc->lock);
	if (failure.reason != FALLOW_REASON_NONE)
		fl_failure_keep(failure, n * jemalloc->piece);
	return failure.reason == FALLOW_REASON_NONE;
}

/* The pages around these pieces none of whose pieces is in the set. */
static struct run pages_without(const struct fallow_jemalloc *jemalloc, const struct fl_pageset *set, struct run pieces)
{
	struct run pages = pages_around(jemalloc, pieces), around = pieces_of(jemalloc, pages);

	if (fl_pageset_next(set, around.first, pieces.first) != pieces.first)
		pages.first++;
	if (pages.first < pages.end && fl_pageset_next(set, pieces.end, around.end) != around.end)
		pages.end--;
	return pages;
}

/* Let pieces have memory. False, with nothing changed: it cannot be had. */
static bool commit(struct fallow_jemalloc *jemalloc, struct run pieces)
{
	fl_lock_take(&jemalloc->pages_lock);
	bool populated = populate(jemalloc, pages_around(jemalloc, pieces));
	if (populated) {
		fl_lock_take(&jemalloc->lock);
		fl_pageset_add(&jemalloc->live, pieces.first, pieces.end);
		fl_lock_put(&jemalloc->lock);
	}
	fl_lock_put(&jemalloc->pages_lock);
	return populated;
}

/* Give the memory of pieces back, as far as no others share it. The pages that have none now. */
static struct run decommit(struct fallow_jemalloc *jemalloc, struct run pieces)
{
	fl_lock_take(&jemalloc->pages_lock);
	fl_lock_take(&jemalloc->lock);
	bool was_live = fl_pageset_next(&jemalloc->live, pieces.first, pieces.end) != pieces.end;
	fl_pageset_remove(&jemalloc->live, pieces.first, pieces.end);
	struct run pages = pages_without(jemalloc, &jemalloc->live, pieces);
	fl_lock_put(&jemalloc->lock);
	if (pages.first >= pages.end || (was_live && !discard(jemalloc, pages)))
		pages.end = pages.first;
	fl_lock_put(&jemalloc->pages_lock);
	return pages;
}

/* Of pages that jemalloc has nothing of, a pool gets the addresses back. */
static void put(struct fallow_jemalloc *jemalloc, struct run pieces)
{
	struct run pages = { 0, 0 };

	fl_lock_take(&jemalloc->lock);
	fl_pageset_remove(&jemalloc->used, pieces.first, pieces.end);
	if (jemalloc->pool) {
		pages = pages_without(jemalloc, &jemalloc->used, pieces);
		fl_pageset_remove(&jemalloc->held, pages.first, fl_max(pages.first, pages.end));
	}
	fl_lock_put(&jemalloc->lock);
	if (pages.first < pages.end) {
		struct run granules = granules_of(jemalloc, pages);
		size_t n = granules.end - granules.first;
		fl_extent_put(jemalloc->pool->region, granules.first, n, n);
	}
}

static bool is_torn(struct fallow_jemalloc *jemalloc)
{
	return __atomic_load_n(&jemalloc->torn, __ATOMIC_RELAXED);
}

/*
 * A new_addr is for growing in place: jemalloc does without. What it asks for as zero is written, as pages may have been
 * used before.
 */
static void *hook_alloc(struct extent_hooks_s *hooks, void *new_addr, size_t size, size_t alignment, bool *zero,
			bool *wants_commit, unsigned int arena)
{
	struct fallow_jemalloc *jemalloc = (struct fallow_jemalloc *)hooks;
	struct run pieces;

	(void)arena;
	if (new_addr != NULL || size % jemalloc->piece != 0 || is_torn(jemalloc) ||
	    !take(jemalloc, size / jemalloc->piece, alignment, &pieces))
		return NULL;
	void *address = address_of(jemalloc, pieces.first);
	if (*wants_commit || *zero) {
		if (!commit(jemalloc, pieces)) {
			put(jemalloc, pieces);
			return NULL;
		}
		*wants_commit = true;
	}
	if (*zero)
		memset(address, 0, size);
	return address;
}

static bool hook_dalloc(struct extent_hooks_s *hooks, void *addr, size_t size, bool committed, unsigned int arena)
{
	struct fallow_jemalloc *jemalloc = (struct fallow_jemalloc *)hooks;
	struct run pieces = pieces_at(jemalloc, addr, size);

	(void)committed, (void)arena;
	if (is_torn(jemalloc))
		return true;
	decommit(jemalloc, pieces);
	put(jemalloc, pieces);
	return false;
}

static void hook_destroy(struct extent_hooks_s *hooks, void *addr, size_t size, bool committed, unsigned int arena)
{
	hook_dalloc(hooks, addr, size, committed, arena);
}

static bool hook_commit(struct extent_hooks_s *hooks, void *addr, size_t size, size_t offset, size_t length,
			unsigned int arena)
{
	struct fallow_jemalloc *jemalloc = (struct fallow_jemalloc *)hooks;
	struct run pieces = pieces_at(jemalloc, (char *)addr + offset, length);

	(void)size, (void)arena;
	return is_torn(jemalloc) || !commit(jemalloc, pieces);
}

static char *clamp(char *at, char *start, char *end)
{
	return at < start ? start : at > end ? end : at;
}

/* What is decommitted is to read as zero when it is committed again: in pages that stay, zero is written. */
static bool hook_decommit(struct extent_hooks_s *hooks, void *addr, size_t size, size_t offset, size_t length,
			  unsigned int arena)
{
	struct fallow_jemalloc *jemalloc = (struct fallow_jemalloc *)hooks;
	char *start = (char *)addr + offset, *end = start + length;

	(void)size, (void)arena;
	if (is_torn(jemalloc) || (jemalloc->pool && jemalloc->pool->supply == FALLOW_POOL_HELD))
		return true;
	struct run gone = pieces_of(jemalloc, decommit(jemalloc, pieces_at(jemalloc, start, length)));
	char *gone_from = clamp(address_of(jemalloc, gone.first), start, end);
	char *gone_to = clamp(address_of(jemalloc, gone.end), start, end);
	memset(start, 0, (size_t)(gone_from - start));
	memset(gone_to, 0, (size_t)(end - gone_to));
	return false;
}

static bool hook_split(struct extent_hooks_s *hooks, void *addr, size_t size, size_t size_a, size_t size_b,
		       bool committed, unsigned int arena)
{
	(void)hooks, (void)addr, (void)size, (void)size_a, (void)size_b, (void)committed, (void)arena;
	return false;
}

static bool hook_merge(struct extent_hooks_s *hooks, void *addr_a, size_t size_a, void *addr_b, size_t size_b,
		       bool committed, unsigned int arena)
{
	(void)hooks, (void)addr_a, (void)size_a, (void)addr_b, (void)size_b, (void)committed, (void)arena;
	return false;
}

/* Not offered: lazy purging, as nobody could tell what is still there, and forced purging, as populating again may fail. */
static const struct extent_hooks_s hooks = {
	.alloc = hook_alloc,
	.dalloc = hook_dalloc,
	.destroy = hook_destroy,
	.commit = hook_commit,
	.decommit = hook_decommit,
	.split = hook_split,
	.merge = hook_merge,
};

static void fork_child(void)
{
	fl_lock_init(&all.lock, FL_RANK_JEMALLOC);
	for (struct fallow_jemalloc *jemalloc = all.first; jemalloc; jemalloc = jemalloc->next) {
		jemalloc->torn = jemalloc->torn || __atomic_load_n(&jemalloc->lock.word, __ATOMIC_RELAXED) != 0;
		fl_lock_init(&jemalloc->pages_lock, FL_RANK_JEMALLOC_PAGES);
		fl_lock_init(&jemalloc->lock, FL_RANK_JEMALLOC);
	}
}

static void list_add(struct fallow_jemalloc *jemalloc)
{
	/* Without a lock held: it may allocate. */
	if (!__atomic_exchange_n(&all.handled, true, __ATOMIC_RELAXED))
		pthread_atfork(NULL, NULL, fork_child);
	fl_lock_take(&all.lock);
	jemalloc->next = all.first;
	__atomic_store_n(&all.first, jemalloc, __ATOMIC_RELEASE);
	fl_lock_put(&all.lock);
}

static void list_remove(struct fallow_jemalloc *jemalloc)
{
	fl_lock_take(&all.lock);
	for (struct fallow_jemalloc **link = &all.first; *link; link = &(*link)->next) {
		if (*link == jemalloc) {
			*link = jemalloc->next;
			break;
		}
	}
	fl_lock_put(&all.lock);
}

static void describe(struct fallow_jemalloc *jemalloc, const struct fallow_jemalloc_options *options)
{
	size_t length;

	jemalloc->map = options->map;
	jemalloc->pool = options->pool;
	if (options->map) {
		jemalloc->base = options->map->base;
		jemalloc->page_size = options->map->page_size;
		length = fallow_map_size(options->map);
	} else {
		const struct fl_region *region = options->pool->region;
		jemalloc->base = region->base;
		jemalloc->page_size = region->backing.page_size;
		length = region->nreserved << FL_GRANULE_SHIFT;
	}
	jemalloc->piece = fl_os_page_size();
	jemalloc->page_pieces = jemalloc->page_size / jemalloc->piece;
	jemalloc->npages = length / jemalloc->page_size;
}

static int create(struct fallow_jemalloc *jemalloc, const struct fallow_jemalloc_options *options)
{
	jemalloc->hooks = hooks;
	fl_lock_init(&jemalloc->pages_lock, FL_RANK_JEMALLOC_PAGES);
	fl_lock_init(&jemalloc->lock, FL_RANK_JEMALLOC);
	describe(jemalloc, options);
	int result = fl_pageset_create(&jemalloc->used, jemalloc->npages * jemalloc->page_pieces);
	if (result != 0)
		return result;
	result = fl_pageset_create(&jemalloc->live, jemalloc->npages * jemalloc->page_pieces);
	if (result != 0)
		goto destroy_used;
	result = fl_pageset_create(&jemalloc->held, jemalloc->npages);
	if (result != 0)
		goto destroy_live;
	if (jemalloc->pool)
		fl_pool_join(jemalloc->pool);
	list_add(jemalloc);
	return 0;

destroy_live:
	fl_pageset_destroy(&jemalloc->live);
destroy_used:
	fl_pageset_destroy(&jemalloc->used);
	return result;
}

int fallow_jemalloc_create(const struct fallow_jemalloc_options *options, struct fallow_jemalloc **jemalloc)
{
	if (jemalloc == NULL || options == NULL || options->size != sizeof(*options) ||
	    (options->map == NULL) == (options->pool == NULL))
		return -EINVAL;
	struct fallow_jemalloc *made = fl_meta_alloc(sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	int result = create(made, options);
	if (result == 0)
		*jemalloc = made;
	else
		fl_meta_free(made, sizeof(*made));
	return result;
}

int fallow_jemalloc_destroy(struct fallow_jemalloc *jemalloc)
{
	if (jemalloc == NULL)
		return 0;
	fl_lock_take(&jemalloc->lock);
	bool busy = jemalloc->used.count != 0;
	fl_lock_put(&jemalloc->lock);
	if (busy)
		return -EBUSY;
	list_remove(jemalloc);
	if (jemalloc->pool)
		fl_pool_leave(jemalloc->pool);
	fl_pageset_destroy(&jemalloc->used);
	fl_pageset_destroy(&jemalloc->live);
	fl_pageset_destroy(&jemalloc->held);
	fl_meta_free(jemalloc, sizeof(*jemalloc));
	return 0;
}

struct extent_hooks_s *fallow_jemalloc_hooks(struct fallow_jemalloc *jemalloc)
{
	return &jemalloc->hooks;
}
