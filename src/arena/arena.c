/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public arena calls. See fallow/arena.h for the contract.
 */
#include <fallow/arena.h>

#include <errno.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/start.h"
#include "cache/threads.h"
#include "diag/message.h"
#include "diag/options.h"
#include "diag/valgrind.h"
#include "extent/decay.h"
#include "meta/claim.h"
#include "meta/meta.h"
#include "pool/pool.h"

#define RESERVE_DEFAULT FL_TIB

/* Bytes from which on an arena on ordinary memory gets huge pages. */
#define HUGE_FROM (8 * FL_MIB)

/* A limit wants room for the holes between extents. */
#define RESERVE_PER_LIMIT 4

struct arena {
	struct fallow_arena inner; /* first: handles point at it */
	struct fallow_pool *pool;
};

static uint64_t decay_of(unsigned int decay_ms)
{
	switch (decay_ms) {
	case FALLOW_DECAY_DEFAULT:
		return __atomic_load_n(&fl_options.decay, __ATOMIC_RELAXED);
	case FALLOW_DECAY_NEVER:
		return FL_DECAY_NEVER;
	default:
		return decay_ms;
	}
}

static size_t reserve_of(const struct fallow_arena_options *o)
{
	size_t longest = fl_claim_longest();

	if (o->reserve != 0)
		return o->reserve;
	if (o->limit != 0 && o->limit < longest / RESERVE_PER_LIMIT)
		return fl_max(o->limit * RESERVE_PER_LIMIT, FL_GIB);
	return fl_min(RESERVE_DEFAULT, longest / 64);
}

static bool is_valid(const struct fallow_arena_options *o)
{
	return o->size == sizeof(*o) && (unsigned int)o->spill <= FALLOW_SPILL_ANON &&
	       (unsigned int)o->thp <= FALLOW_THP_NEVER;
}

static int create(struct arena *arena, const struct fallow_arena_options *o)
{
	struct fl_arena_options options = {
		.region = {
			.backing = {
				.kind = o->backing,
				.share = o->share,
				.populate = o->populate,
				.fork = o->fork,
				.page_size = o->page_size,
				.fd = o->fd,
				.node = -1,
				.name = o->name,
			},
			.limit = o->limit,
			.huge_from = o->thp == FALLOW_THP_ALWAYS ? 0 : HUGE_FROM,
			.decay = decay_of(o->decay_ms),
			.thp = o->thp,
		},
		.shared_region = o->pool ? o->pool->region : NULL,
		.limit = o->limit,
		.spill = o->spill,
	};
	/* Fork handlers and options must be there before the first arena. */
	if (fl_start() == NULL)
		return -ENOMEM;
	if (o->reserve > SIZE_MAX - FL_GIB)
		return -EINVAL;
	if (o->pool == NULL)
		options.region.reserve = reserve_of(o);
	int result = fl_arena_create(&arena->inner, &options);
	if (result != 0)
		return result;
	arena->inner.is_explicit = true;
	result = fl_cache_attach(&arena->inner);
	if (result != 0) {
		fl_arena_destroy(&arena->inner);
		return result;
	}
	arena->pool = o->pool;
	if (o->pool)
		fl_pool_join(o->pool);
	uint64_t decay = arena->inner.region->decay;
	fl_decay_set_hook(fl_cache_flush_idle);
	if (decay != FL_DECAY_NEVER)
		fl_decay_start();
	return 0;
}

int fallow_arena_create(const struct fallow_arena_options *options, struct fallow_arena **arena)
{
	static const struct fallow_arena_options defaults = FALLOW_ARENA_OPTIONS_INIT;

	if (arena == NULL || (options != NULL && !is_valid(options)))
		return -EINVAL;
	struct arena *made = fl_meta_alloc(sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	fl_valgrind_silence();
	int result = create(made, options ? options : &defaults);
	fl_valgrind_speak();
	if (result != 0) {
		fl_meta_free(made, sizeof(*made));
		return result;
	}
	*arena = &made->inner;
	return 0;
}

void fallow_arena_destroy(struct fallow_arena *arena)
{
	struct arena *made = (struct arena *)arena;

	if (arena == NULL)
		return;
	fl_valgrind_silence();
	if (arena->shares_region || fl_valgrind_watches)
		fl_cache_reset_all(arena);
	fl_cache_detach(arena);
	fl_arena_destroy(arena);
	if (made->pool)
		fl_pool_leave(made->pool);
	fl_meta_free(made, sizeof(*made));
	fl_valgrind_speak();
}

void fallow_arena_reset(struct fallow_arena *arena)
{
	fl_valgrind_silence();
	fl_cache_reset_all(arena);
	fl_valgrind_speak();
}

int fallow_arena_trim(struct fallow_arena *arena, size_t *released)
{
	fl_valgrind_silence();
	fl_cache_trim(arena);
	size_t bytes = fl_arena_purge(arena);
	fl_valgrind_speak();
	if (released)
		*released = bytes;
	return 0;
}

int fallow_arena_set_limit(struct fallow_arena *arena, size_t limit)
{
	size_t page = arena->region->backing.page_size;
	size_t rounded = fl_align_down(limit, page);

	if (limit != 0 && rounded == 0)
		return -EINVAL;
	__atomic_store_n(&arena->limit, rounded, __ATOMIC_RELAXED);
	if (arena->shares_region)
		return 0;
	fl_region_set_limit(arena->region, rounded);
	if (rounded != 0 && __atomic_load_n(&arena->region->present, __ATOMIC_RELAXED) > rounded)
		fl_extent_purge(arena->region, FL_PURGE_ALL);
	return 0;
}

int fallow_arena_on_pressure(struct fallow_arena *arena, fallow_pressure_fn *fn, void *context)
{
	arena->pressure_context = context;
	arena->pressure = fn;
	return 0;
}

void *fallow_arena_malloc(struct fallow_arena *arena, size_t size)
{
	bool ignored;

	return fl_cache_alloc_in(arena, size, 1, &ignored);
}

void *fallow_arena_calloc(struct fallow_arena *arena, size_t count, size_t size)
{
	size_t total;
	bool zero;

	if (__builtin_mul_overflow(count, size, &total))
		total = SIZE_MAX;
	void *block = fl_cache_alloc_in(arena, total, 1, &zero);
	if (block && !zero)
		memset(block, 0, total);
	return block;
}

void *fallow_arena_aligned_alloc(struct fallow_arena *arena, size_t alignment, size_t size)
{
	bool ignored;

	if (!fl_is_power_of_two(alignment)) {
		errno = EINVAL;
		return NULL;
	}
	return fl_cache_alloc_in(arena, size, alignment, &ignored);
}

/* Blocks of other arenas are a mistake of the caller that would go unnoticed until limits are wrong. */
static void check_owner(struct fallow_arena *arena, const void *block)
{
	if (block != NULL && fl_cache_arena_of(block) != arena)
		fl_fatal("free of %p: not allocated by this arena", block);
}

void *fallow_arena_realloc(struct fallow_arena *arena, void *block, size_t size)
{
	bool ignored;

	if (block == NULL)
		return fl_cache_alloc_in(arena, size, 1, &ignored);
	check_owner(arena, block);
	return fl_cache_realloc(fl_cache_none, block, size);
}

void fallow_arena_free(struct fallow_arena *arena, void *block)
{
	check_owner(arena, block);
	fl_cache_free_in(arena, block);
}

size_t fallow_arena_usable_size(struct fallow_arena *arena, const void *block)
{
	check_owner(arena, block);
	return fl_cache_usable_size(block);
}

int fallow_arena_stats(struct fallow_arena *arena, struct fallow_arena_stat *stat)
{
	const struct fl_region *region = arena->region;

	if (stat == NULL || stat->size != sizeof(*stat))
		return -EINVAL;
	stat->page_size = region->backing.page_size;
	stat->limit = arena->shares_region ? arena->limit : region->limit;
	stat->taken = __atomic_load_n(&arena->taken, __ATOMIC_RELAXED);
	stat->spilled = __atomic_load_n(&arena->spilled, __ATOMIC_RELAXED);
	stat->populated = arena->shares_region ? stat->taken : __atomic_load_n(&region->present, __ATOMIC_RELAXED);
	stat->failures = __atomic_load_n(&arena->nfailures, __ATOMIC_RELAXED);
	return 0;
}
