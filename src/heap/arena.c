/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extents for arenas: limit, region, spill, pressure.
 */
#include "heap/arena.h"

#include <errno.h>

#include "diag/message.h"
#include "diag/options.h"
#include "diag/valgrind.h"
#include "gate/gate.h"
#include "meta/claim.h"

#define NRETRIES 16

/* In the error of a failure that no kernel was asked about: the limit is the arena's, not its pool's. */
#define OWN_LIMIT (-EDQUOT)

/* Bytes from which on large blocks of the process heap get huge pages: they come and go whole. */
#define BLOCKS_HUGE_FROM (32 * FL_MIB)

static const struct fl_failure success = { FALLOW_REASON_NONE, 0 };

/* True while this thread is inside an on_pressure callback. */
static __thread bool under_pressure FL_PURE_TLS;

static int create_blocks(struct fallow_arena *arena, const struct fl_region_options *like)
{
	struct fl_region_options options = *like;

	options.backing.name = "fallow large blocks";
	options.huge_from = options.thp == FALLOW_THP_ALWAYS ? 0 : BLOCKS_HUGE_FROM;
	return fl_region_create(&options, &arena->blocks);
}

/*
 * A region's tables have the address of its first granule in many places. A block there would never be lost, for a tool that
 * looks for leaks.
 */
static void leave_first_granule(struct fl_region *region)
{
	size_t first;

	fl_extent_take(region, 1, FL_GRANULE, &first);
}

int fl_arena_create(struct fallow_arena *arena, const struct fl_arena_options *options)
{
	static uint64_t serials;

	if (options->shared_region) {
		arena->region = arena->blocks = options->shared_region;
		arena->shares_region = true;
	} else {
		int result = fl_region_create(&options->region, &arena->region);
		if (result != 0)
			return result;
		arena->blocks = arena->region;
		if (options->separate_blocks)
			result = create_blocks(arena, &options->region);
		if (result != 0) {
			fl_region_destroy(arena->region);
			return result;
		}
		if (fl_valgrind_watches)
			leave_first_granule(arena->region);
		if (fl_valgrind_watches && arena->blocks != arena->region)
			leave_first_granule(arena->blocks);
	}
	arena->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
	arena->spill_mode = options->spill;
	arena->limit = options->limit;
	fl_lock_init(&arena->lock, FL_RANK_ARENA);
	fl_lock_init(&arena->spill_lock, FL_RANK_SPILL);
	fl_lock_init(&arena->shared_lock, FL_RANK_SHARED);
	return 0;
}

size_t fl_arena_regions(const struct fallow_arena *arena, struct fl_region *regions[static 3])
{
	struct fl_region *spill = __atomic_load_n(&arena->spill, __ATOMIC_ACQUIRE);
	size_t n = 0;

	regions[n++] = arena->region;
	if (arena->blocks != arena->region)
		regions[n++] = arena->blocks;
	if (spill)
		regions[n++] = spill;
	return n;
}

size_t fl_arena_purge(struct fallow_arena *arena)
{
	struct fl_region *regions[3];
	size_t bytes = 0;

	for (size_t i = 0, n = fl_arena_regions(arena, regions); i < n; i++)
		bytes += fl_extent_purge(regions[i], FL_PURGE_ALL);
	return bytes;
}

void fl_arena_destroy(struct fallow_arena *arena)
{
	struct fl_region *regions[3];
	size_t n = fl_arena_regions(arena, regions);

	for (size_t i = arena->shares_region ? 1 : 0; i < n; i++)
		fl_region_destroy(regions[i]);
}

bool fl_arena_charge(struct fallow_arena *arena, const struct fl_region *region, ptrdiff_t n)
{
	size_t *counter = region == arena->spill ? &arena->spilled : &arena->taken;
	size_t bytes = (size_t)n << FL_GRANULE_SHIFT;
	size_t limit = __atomic_load_n(&arena->limit, __ATOMIC_RELAXED);
	size_t total = __atomic_add_fetch(counter, bytes, __ATOMIC_RELAXED);

	/* A region of our own keeps the limit itself, but knows nothing of what is spilled. */
	if (counter == &arena->spilled)
		total += arena->shares_region ? __atomic_load_n(&arena->taken, __ATOMIC_RELAXED) :
						__atomic_load_n(&arena->region->present, __ATOMIC_RELAXED);
	if (n > 0 && limit != 0 && (arena->shares_region || counter == &arena->spilled) && total > limit) {
		__atomic_sub_fetch(counter, bytes, __ATOMIC_RELAXED);
		return false;
	}
	return true;
}

/* A pool that is used up is a reason to spill, the arena's own limit is not. */
static bool is_own_limit(const struct fallow_arena *arena, struct fl_failure failure)
{
	return failure.reason == FALLOW_REASON_ARENA_LIMIT && (!arena->shares_region || failure.error == OWN_LIMIT);
}

static struct fl_failure take_from(struct fallow_arena *arena, struct fl_region *region, size_t n, size_t alignment,
				   size_t npopulate, enum fl_use use, struct fl_extent *extent, bool *zero)
{
	if (!fl_arena_charge(arena, region, (ptrdiff_t)n))
		return (struct fl_failure){ FALLOW_REASON_ARENA_LIMIT, OWN_LIMIT };
	*extent = (struct fl_extent){ region, 0, n };
	struct fl_failure failure = fl_extent_take(region, n, alignment, &extent->granule);
	if (failure.reason == FALLOW_REASON_NONE) {
		failure = fl_extent_populate(region, extent->granule, npopulate, use, zero);
		if (failure.reason == FALLOW_REASON_NONE)
			return success;
		fl_extent_put(region, extent->granule, n, 0);
	}
	fl_arena_charge(arena, region, -(ptrdiff_t)n);
	return failure;
}

/* The spill region, made and announced at first need. NULL when it cannot be made. */
static struct fl_region *spill_region(struct fallow_arena *arena, struct fl_failure failure)
{
	struct fl_region_options options = {
		.backing = { .kind = FALLOW_BACKING_ANON, .populate = arena->region->backing.populate, .fd = -1, .node = -1,
			     .name = "fallow spill" },
		.reserve = fl_claim_longest() / 64,
		.decay = arena->region->decay,
	};
	struct fl_region *made = NULL;
	bool first = false;

	fl_lock_take(&arena->spill_lock);
	if (arena->spill == NULL && fl_region_create(&options, &made) == 0) {
		__atomic_store_n(&arena->spill, made, __ATOMIC_RELEASE);
		first = true;
	}
	fl_lock_put(&arena->spill_lock);
	if (first)
		fl_message("%s: going on in ordinary memory", fallow_reason_text(failure.reason));
	return __atomic_load_n(&arena->spill, __ATOMIC_ACQUIRE);
}

struct fl_failure fl_arena_take(struct fallow_arena *arena, struct fl_region *region, size_t n, size_t alignment,
				size_t npopulate, enum fl_use use, struct fl_extent *extent, bool *zero)
{
	struct fl_failure failure = take_from(arena, region, n, alignment, npopulate, use, extent, zero);

	/* What limits address space, such as RLIMIT_AS, may leave room in the region that the other kind of extent is in. */
	if (fl_unlikely(failure.reason != FALLOW_REASON_NONE) && arena->blocks != arena->region) {
		struct fl_region *other = region == arena->region ? arena->blocks : arena->region;
		if (take_from(arena, other, n, alignment, npopulate, use, extent, zero).reason == FALLOW_REASON_NONE)
			return success;
	}
	if (fl_likely(failure.reason == FALLOW_REASON_NONE) || arena->spill_mode == FALLOW_SPILL_FAIL ||
	    is_own_limit(arena, failure))
		return failure;
	struct fl_region *spill = spill_region(arena, failure);
	return spill ? take_from(arena, spill, n, alignment, npopulate, use, extent, zero) : failure;
}

void fl_arena_put(struct fallow_arena *arena, const struct fl_extent *extent, size_t ntouched)
{
	fl_extent_put(extent->region, extent->granule, extent->n, ntouched);
	fl_arena_charge(arena, extent->region, -(ptrdiff_t)extent->n);
}

/* Bytes that the arena could still have had where it was refused. */
static uint64_t headroom(const struct fallow_arena *arena, enum fallow_reason reason)
{
	const struct fl_region *region = arena->region;
	size_t limit, used;

	switch (reason) {
	case FALLOW_REASON_ARENA_LIMIT:
		limit = __atomic_load_n(arena->shares_region && arena->limit != 0 ? &arena->limit : &region->limit,
					__ATOMIC_RELAXED);
		used = __atomic_load_n(arena->shares_region ? &arena->taken : &region->present, __ATOMIC_RELAXED);
		return limit > used ? limit - used : 0;
	case FALLOW_REASON_MEMORY_CGROUP:
	case FALLOW_REASON_SYSTEM_MEMORY:
		return fl_gate_room();
	default:
		return FALLOW_HEADROOM_UNKNOWN;
	}
}

bool fl_arena_retry(struct fallow_arena *arena, size_t size, struct fl_failure failure, unsigned int attempt)
{
	fallow_pressure_fn *pressure = arena->pressure;

	bool hopeless = failure.reason == FALLOW_REASON_TOO_LARGE || failure.reason == FALLOW_REASON_ADDRESS_SPACE;

	if (pressure != NULL && !under_pressure && !hopeless && attempt < NRETRIES) {
		under_pressure = true;
		bool again = pressure(arena, fl_max(size, 1), arena->pressure_context);
		under_pressure = false;
		if (again)
			return true;
	}
	fl_failure_keep_with(failure, size, headroom(arena, failure.reason));
	__atomic_add_fetch(&arena->nfailures, 1, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return false;
}
