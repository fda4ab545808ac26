/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that what is in swap is memory like any other: it counts as populated and is told of as swapped out, goes there and
 * comes back without being told of as written, is in a snapshot, survives being volatile, and is given back from there; that it is
 * still what it was when swap is switched off; and that near a memory cgroup's limit swap is not counted as room, so that a
 * program is told no instead of being swapped out.
 */
#include <sys/swap.h>

#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (16 * MiB)
#define SWAP (64 * MiB)
#define LIMIT (32 * MiB)

/* Bytes of this process in swap. */
static size_t swapped(void)
{
	return (size_t)test_machine_field("/proc/self/status", "VmSwap:") << 10;
}

/* The kernel takes what it can: nearly all, some pages at the second attempt. */
static void swap_out(void *memory, size_t length)
{
	for (int i = 0; i < 2 || (i < 10 && swapped() < length / 10 * 9); i++)
		must_equal(madvise(memory, length, MADV_PAGEOUT), 0);
	must_be_least(swapped(), length / 10 * 9);
}

static void swap_off(void)
{
	char line[256], path[64] = "";
	int priority;
	FILE *swaps = fopen("/proc/swaps", "re");

	must(swaps != NULL);
	while (fgets(line, sizeof(line), swaps) != NULL)
		if (sscanf(line, "%63s %*s %*s %*s %d", path, &priority) == 2 && priority == SWAP_FLAG_PRIO_MASK)
			break;
	fclose(swaps);
	must_equal(swapoff(path), 0);
	must_equal(swapped(), 0);
}

static struct fallow_map *create(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = LENGTH;
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
	pattern_write(fallow_map_base(map), LENGTH, 1);
	return map;
}

/* Bytes of the map that are in a state. */
static size_t in_state(struct fallow_map *map, enum fallow_page_state state)
{
	size_t page = fallow_map_page_size(map), n = 0;
	static uint64_t bits[LENGTH / 4096 / 64];

	must_equal(fallow_map_bitmap(map, 0, LENGTH, state, bits), 0);
	for (size_t i = 0; i < LENGTH / page / 64; i++)
		n += (size_t)__builtin_popcountll(bits[i]) * page;
	return n;
}

static void must_be_told_of(struct fallow_map *map, size_t npages, size_t offset)
{
	struct fallow_dirty_range range;
	size_t n = 1;

	must_equal(fallow_dirty_collect(map, 0, LENGTH, &range, &n), 0);
	must_equal(n, npages != 0);
	must(n == 0 || (range.offset == offset && range.length == npages * fallow_map_page_size(map)));
}

static void of_a_map(void *unused)
{
	struct fallow_map *map = create();
	char *base = fallow_map_base(map);

	(void)unused;
	must_equal(fallow_dirty_start(map), 0);
	swap_out(base, LENGTH);
	must_be_least(in_state(map, FALLOW_PAGE_SWAPPED), LENGTH / 10 * 9);
	must_equal(map_populated(map), LENGTH);
	must_be_told_of(map, 0, 0);
	must(pattern_holds(base, LENGTH, 1));
	must_be_told_of(map, 0, 0);
	/* Written where it is, and before it goes there. */
	swap_out(base, LENGTH);
	base[5 * MiB] ^= 1;
	must_be_told_of(map, 1, 5 * MiB);
	base[5 * MiB] ^= 1;
	swap_out(base, LENGTH);
	must_be_told_of(map, 1, 5 * MiB);

	/* Given back from where it is. */
	must_equal(fallow_map_discard(map, 0, LENGTH / 2), 0);
	must_be_most(swapped(), LENGTH / 2 + MiB);
	must(map_reads(base, LENGTH / 2, 0));
	swap_off();
	must_equal(in_state(map, FALLOW_PAGE_SWAPPED), 0);
	pattern_write(base, LENGTH / 2, 1);
	must(pattern_holds(base, LENGTH, 1));
	fallow_map_destroy(map);
}

static void of_a_snapshot(void *unused)
{
	struct fallow_map *map = create(), *restored;
	char *base = fallow_map_base(map);
	int image = memfd_create("image", MFD_CLOEXEC);

	(void)unused;
	swap_out(base, LENGTH);
	struct fallow_snapshot *snapshot = snapshot_take(map, image);
	pattern_write(base, LENGTH / 2, 2);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	restored = snapshot_restored(image, LENGTH);
	must(pattern_holds(fallow_map_base(restored), LENGTH, 1));
	fallow_map_destroy(restored);
	fallow_map_destroy(map);
}

static void of_volatile_pages(void *unused)
{
	struct fallow_map *map = create();
	char *base = fallow_map_base(map);
	size_t page = fallow_map_page_size(map), nlost;
	static uint64_t lost[LENGTH / 4096 / 64];

	(void)unused;
	swap_out(base, LENGTH);
	must_equal(fallow_volatile_begin(map, 0, LENGTH), 0);
	must_equal(fallow_volatile_end(map, 0, LENGTH, lost, &nlost), 0);
	must_equal(nlost, 0);
	must(pattern_holds(base, LENGTH, 1));
	must_equal(fallow_volatile_begin(map, 0, LENGTH), 0);
	/* What nobody needs is dropped and not swapped. */
	must_equal(madvise(base, LENGTH, MADV_PAGEOUT), 0);
	must_be_most(swapped(), MiB);
	must_equal(fallow_volatile_end(map, 0, LENGTH, lost, &nlost), 0);
	must_be_least(nlost, LENGTH / page / 2);
	/* In the place of what is lost nothing, elsewhere what was there. */
	for (size_t i = 0; i < LENGTH; i++)
		must_equal((unsigned char)base[i], lost[i / page / 64] >> i / page % 64 & 1 ? 0 : pattern_byte(1, i));
	fallow_map_destroy(map);
}

static void of_an_arena(void *unused)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	(void)unused;
	options.limit = 2 * LENGTH;
	options.decay_ms = 0;
	must_equal(fallow_arena_create(&options, &arena), 0);
	char *block = fallow_arena_malloc(arena, LENGTH);
	must(block != NULL);
	pattern_write(block, LENGTH, 3);
	swap_out(block, LENGTH);
	block = fallow_arena_realloc(arena, block, LENGTH + MiB);
	must(block != NULL && pattern_holds(block, LENGTH, 3));
	swap_out(block, LENGTH);
	fallow_arena_free(arena, block);
	must_equal(fallow_arena_trim(arena, NULL), 0);
	must_be_most(swapped(), MiB);
	fallow_arena_destroy(arena);
}

/* Until NULL, in a cgroup that could swap twice as much as it may have. */
static void of_a_limit(void *unused)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;
	struct fallow_failure failure;
	size_t taken = 0;
	char *block;

	(void)unused;
	must_equal(fallow_arena_create(&options, &arena), 0);
	for (; (block = fallow_arena_malloc(arena, 60000)) != NULL; taken += 60000) {
		must_be_most(taken, 2 * LIMIT);
		memset(block, 1, 60000);
	}
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_MEMORY_CGROUP);
	printf("%zu of %zu KiB taken, %zu of them swapped\n", taken >> 10, LIMIT >> 10, swapped() >> 10);
	must_be_least(taken, LIMIT / 10 * 8);
	must_be_most(taken, LIMIT);
	fallow_arena_destroy(arena);
}

static void runs(place_fn *fn, size_t memory_cgroup)
{
	const struct place place = { .swap = SWAP, .memory_cgroup = memory_cgroup };

	assert_lives(&place, fn, NULL);
}

static void maps(void **state)
{
	(void)state;
	runs(of_a_map, 0);
}

static void snapshots(void **state)
{
	(void)state;
	runs(of_a_snapshot, 0);
}

static void volatile_pages(void **state)
{
	(void)state;
	runs(of_volatile_pages, 0);
}

static void arenas(void **state)
{
	(void)state;
	runs(of_an_arena, 0);
}

static void limits(void **state)
{
	(void)state;
	runs(of_a_limit, LIMIT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps),
		cmocka_unit_test(snapshots),
		cmocka_unit_test(volatile_pages),
		cmocka_unit_test(arenas),
		cmocka_unit_test(limits),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
