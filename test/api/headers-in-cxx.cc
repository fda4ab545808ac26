// SPDX-License-Identifier: BSD-2-Clause
// For headers-in-cxx.sh: a C++ program that uses every public header, each initialiser and one call of each.
#include <fallow/fallow.h>

#include <cstring>

static bool press(fallow_arena *, size_t, void *context)
{
	++*static_cast<int *>(context);
	return false;
}

static int use_arena()
{
	fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
	fallow_failure failure;
	fallow_arena *arena = nullptr;
	int ncalls = 0;

	if (options.size != sizeof(options) || options.fd != -1 || options.decay_ms != FALLOW_DECAY_DEFAULT || options.pool)
		return 1;
	options.backing = FALLOW_BACKING_ANON;
	options.limit = 1 << 20;
	if (fallow_arena_create(&options, &arena) != 0 || fallow_arena_on_pressure(arena, press, &ncalls) != 0)
		return 2;
	char *block = static_cast<char *>(fallow_arena_malloc(arena, 100));
	if (!block)
		return 3;
	std::memset(block, 1, 100);
	fallow_arena_free(arena, block);
	if (fallow_arena_malloc(arena, 2 << 20) || ncalls != 1)
		return 4;
	if (fallow_last_failure(&failure) != 0 || failure.reason != FALLOW_REASON_ARENA_LIMIT)
		return 5;
	if (fallow_arena_stats(arena, &stat) != 0 || stat.limit != 1 << 20)
		return 6;
	fallow_arena_destroy(arena);
	return 0;
}

static bool go_on(fallow_map *, size_t done, size_t total, void *)
{
	return done <= total;
}

static int use_map()
{
	fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	fallow_populate_options populate = FALLOW_POPULATE_OPTIONS_INIT;
	fallow_map_stat stat = FALLOW_MAP_STAT_INIT;
	fallow_map *map = nullptr;

	if (options.size != sizeof(options) || options.fd != -1 || options.node != -1)
		return 12;
	options.length = 1 << 20;
	populate.progress = go_on;
	if (fallow_map_create(&options, &map) != 0 || fallow_map_populate_with(map, 0, 1 << 20, &populate) != 0)
		return 13;
	std::memset(fallow_map_base(map), 1, 1 << 20);
	if (fallow_map_stats(map, &stat) != 0 || stat.populated != 1 << 20)
		return 14;
	uint64_t lost[4];
	size_t nlost = 1;
	if (fallow_volatile_begin(map, 0, 1 << 20) != 0 || fallow_volatile_end(map, 0, 1 << 20, lost, &nlost) != 0)
		return 15;
	fallow_volatile_arena *arena = nullptr;
	if (fallow_volatile_arena_create(1 << 20, &arena) != 0 || !fallow_volatile_alloc(arena, 100))
		return 16;
	fallow_volatile_arena_destroy(arena);
	fallow_map_destroy(map);
	return 0;
}

static int use_dirty()
{
	fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	fallow_map *map = nullptr;
	fallow_dirty_range range;
	std::size_t n = 1;

	options.length = 1 << 20;
	if (fallow_map_create(&options, &map) != 0)
		return 15;
	if (fallow_dirty_start(map) == 0) {
		static_cast<char *>(fallow_map_base(map))[5000] = 1;
		if (fallow_dirty_collect(map, 0, 1 << 20, &range, &n) != 0 || n != 1 || range.changes != FALLOW_DIRTY_WRITTEN)
			return 16;
		if (fallow_dirty_stop(map) != 0)
			return 17;
	}
	fallow_map_destroy(map);
	return 0;
}

static int use_snapshot()
{
	fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	fallow_snapshot_options take = FALLOW_SNAPSHOT_OPTIONS_INIT;
	fallow_snapshot_stat stat = FALLOW_SNAPSHOT_STAT_INIT;
	fallow_restore_options restore = FALLOW_RESTORE_OPTIONS_INIT;
	fallow_snapshot *snapshot = nullptr;
	fallow_map *map = nullptr;

	options.length = 1 << 20;
	if (take.size != sizeof(take) || stat.size != sizeof(stat) || restore.size != sizeof(restore))
		return 15;
	restore.progress = go_on;
	if (fallow_map_create(&options, &map) != 0 || fallow_snapshot_restore(map, -1, &restore) == 0)
		return 16;
	if (fallow_snapshot_take(map, -1, &take, &snapshot) == 0 || fallow_snapshot_progress(snapshot, &stat) == 0)
		return 17;
	fallow_snapshot_cancel(snapshot);
	return fallow_snapshot_wait(snapshot) == 0 || fallow_map_destroy(map) != 0 ? 18 : 0;
}

static int use_the_rest()
{
	fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;
	fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;
	fallow_stats stats = FALLOW_STATS_INIT;
	fallow_pool *pool = nullptr;
	char value[64];

	if (options.size != sizeof(options) || options.node != -1 || stat.size != sizeof(stat))
		return 7;
	options.npages = 0;
	if (fallow_pool_create(&options, &pool) >= 0)
		return 8;
	if (fallow_stats_read(&stats) != 0 || stats.narenas > 1)
		return 9;
	if (fallow_option_get("decay", value, sizeof(value)) != 0 || !fallow_option_at(0))
		return 10;
	void *block = fallow_realloc(fallow_malloc(10), 20);
	if (fallow_usable_size(block) < 20)
		return 11;
	fallow_free(block);
	return 0;
}

int main()
{
	int status = use_arena();

	if (status == 0)
		status = use_map();
	if (status == 0)
		status = use_dirty();
	if (status == 0)
		status = use_snapshot();
	return status ? status : use_the_rest();
}
