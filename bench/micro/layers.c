/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the layers below malloc cost: arenas, reservations, populate and discard by backing, extents.
 *
 * Linked with the internals, so that a layer can be measured alone. Backings that the machine has no memory for are
 * reported as such and leave the rest to run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fallow/fallow.h>

#include "diag/options.h"
#include "extent/extent.h"
#include "extent/region.h"
#include "gbench.h"

enum { BATCH = 256 };

static const int64_t block_sizes[] = {16, 64, 256, 1024, 4096, 65536};
static const int64_t lengths[] = {32 << 10, 128 << 10, 512 << 10, 2 << 20, 16 << 20};
static const int64_t reservations[] = {(int64_t)1 << 30, (int64_t)1 << 36, (int64_t)1 << 40, (int64_t)1 << 45};

static bool failed(struct fl_failure failure)
{
	return failure.reason != FALLOW_REASON_NONE;
}

/* Blocks of an explicit arena, a batch at a time. */
static void arena_batch(struct gbench_state *state)
{
	size_t size = (size_t)gbench_argument(state);
	struct fallow_arena *arena;
	void *blocks[BATCH];

	if (fallow_arena_create(NULL, &arena) != 0) {
		gbench_skip(state, "no arena");
		return;
	}
	while (gbench_next(state, BATCH)) {
		for (int i = 0; i < BATCH; i++)
			blocks[i] = fallow_arena_malloc(arena, size);
		for (int i = 0; i < BATCH; i++)
			fallow_arena_free(arena, blocks[i]);
	}
	fallow_arena_destroy(arena);
}

/* A short-lived arena: made, used for some hundred blocks, destroyed without freeing them. */
static void arena_life(struct gbench_state *state)
{
	while (gbench_next(state, 1)) {
		struct fallow_arena *arena;
		if (fallow_arena_create(NULL, &arena) != 0) {
			gbench_skip(state, "no arena");
			return;
		}
		for (int i = 0; i < BATCH; i++)
			gbench_kept(fallow_arena_malloc(arena, 100));
		fallow_arena_destroy(arena);
	}
}

/* Address space alone: the cost must not depend on how much. */
static void reserve(struct gbench_state *state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.reserve = (size_t)gbench_argument(state);
	while (gbench_next(state, 1)) {
		struct fallow_arena *arena;
		int result = fallow_arena_create(&options, &arena);
		if (result != 0) {
			gbench_skip(state, strerror(-result));
			return;
		}
		fallow_arena_destroy(arena);
	}
}

static struct fl_region *region_make(struct gbench_state *state, enum fallow_backing kind, size_t page_size)
{
	struct fl_region_options options = {
		.backing = {.kind = kind, .populate = FALLOW_POPULATE_WRITE, .page_size = page_size, .fd = -1, .node = -1},
		.reserve = (size_t)1 << 36,
		.decay = FL_DECAY_NEVER,
		.thp = FALLOW_THP_NEVER,
	};
	struct fl_region *region;
	int result = fl_region_create(&options, &region);

	if (result == 0)
		return region;
	gbench_skip(state, strerror(-result));
	return NULL;
}

/* Memory comes and goes with each round: take, populate, discard, put. */
static void populate_on(struct gbench_state *state, enum fallow_backing kind, size_t page_size)
{
	size_t n = (size_t)gbench_argument(state) >> FL_GRANULE_SHIFT, granule;
	struct fl_region *region = region_make(state, kind, page_size);
	int64_t rounds = 0;

	if (region == NULL)
		return;
	while (gbench_next(state, 1)) {
		bool zero;
		if (failed(fl_extent_take(region, n, FL_GRANULE, &granule)) ||
		    failed(fl_extent_populate(region, granule, n, &zero))) {
			gbench_skip(state, "the backing has no memory left");
			break;
		}
		fl_extent_put(region, granule, n, n);
		fl_extent_purge(region, FL_PURGE_ALL);
		rounds++;
	}
	gbench_bytes(state, rounds * (int64_t)(n << FL_GRANULE_SHIFT));
	fl_region_destroy(region);
}

static void populate_anon(struct gbench_state *state)
{
	populate_on(state, FALLOW_BACKING_ANON, 0);
}

static void populate_memfd(struct gbench_state *state)
{
	populate_on(state, FALLOW_BACKING_MEMFD, 0);
}

static void populate_hugetlb(struct gbench_state *state)
{
	populate_on(state, FALLOW_BACKING_HUGETLB, 0);
}

/* Extents that are put and taken again while their memory stays: bookkeeping alone. */
static void extent_pair(struct gbench_state *state)
{
	size_t n = (size_t)gbench_argument(state) >> FL_GRANULE_SHIFT, granule;
	struct fl_region *region = region_make(state, FALLOW_BACKING_ANON, 0);
	bool zero;

	if (region == NULL)
		return;
	while (gbench_next(state, 1)) {
		if (failed(fl_extent_take(region, n, FL_GRANULE, &granule)) ||
		    failed(fl_extent_populate(region, granule, n, &zero)))
			abort();
		fl_extent_put(region, granule, n, n);
	}
	fl_region_destroy(region);
}

/* Split and coalesce: many extents of mixed lengths, put in another order than they were taken in. */
static void extent_churn(struct gbench_state *state)
{
	size_t granules[BATCH], count = (size_t)gbench_argument(state);
	struct fl_region *region = region_make(state, FALLOW_BACKING_ANON, 0);

	if (region == NULL)
		return;
	while (gbench_next(state, (int64_t)count)) {
		for (size_t i = 0; i < count; i++)
			if (failed(fl_extent_take(region, 1 + i * 7 % 40, FL_GRANULE, &granules[i])))
				abort();
		for (size_t i = 0; i < count; i++) {
			size_t at = i * 37 % count;
			fl_extent_put(region, granules[at], 1 + at * 7 % 40, 0);
		}
	}
	fl_region_destroy(region);
}

#define EACH(name, list) .argument_name = (name), .arguments = (list), .narguments = sizeof(list) / sizeof((list)[0])

int main(int argc, char **argv)
{
	static const int64_t counts[] = {8, 64, 256};
	static const struct gbench benchmarks[] = {
		{.name = "arena-batch", .body = arena_batch, EACH("bytes", block_sizes)},
		{.name = "arena-life", .body = arena_life},
		{.name = "reserve", .body = reserve, EACH("bytes", reservations)},
		{.name = "populate-discard/anon", .body = populate_anon, EACH("bytes", lengths)},
		{.name = "populate-discard/memfd", .body = populate_memfd, EACH("bytes", lengths)},
		{.name = "populate-discard/hugetlb", .body = populate_hugetlb, EACH("bytes", lengths)},
		{.name = "extent-take-put", .body = extent_pair, EACH("bytes", lengths)},
		{.name = "extent-split-coalesce", .body = extent_churn, EACH("extents", counts)},
	};

	for (size_t i = 0; i < sizeof(benchmarks) / sizeof(benchmarks[0]); i++)
		gbench_add(&benchmarks[i]);
	return gbench_main(argc, argv);
}
