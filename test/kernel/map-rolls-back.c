/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves on every finite backing, with a guard and without, that a populate which is larger than what is left leaves
 * every page as it was: the populated ones with their content, those that a touch had brought in too, and no other;
 * that the reason is the backing's; and that what was left can still be had. With one thread and with several.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test/api/map-kinds.h"
#include "test/kernel/backings.h"
#include "test/kernel/residency.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (64 * MiB)
/* Populated; then touched; both within a range that is more than any of the backings has. */
#define POPULATED (8 * MiB)
#define TOUCHED (14 * MiB)

struct attempt {
	const struct backing *backing;
	enum fallow_guard guard;
	unsigned int nthreads;
};

static struct fallow_map *create(const struct attempt *attempt, int *fd)
{
	struct fallow_arena_options like = backing_options(attempt->backing);
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map = NULL;

	options.backing = like.backing;
	options.share = like.share;
	options.page_size = like.page_size;
	options.fd = *fd = like.fd;
	options.guard = attempt->guard;
	options.length = LENGTH;
	must_equal(fallow_map_create(&options, &map), 0);
	return map;
}

static void must_leave_no_trace(const struct attempt *attempt, struct fallow_map *map, size_t page)
{
	struct fallow_populate_options options = FALLOW_POPULATE_OPTIONS_INIT;
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;
	const char *base = fallow_map_base(map);
	struct residency before, after;
	struct fallow_failure failure;
	long long there = attempt->backing->there(attempt->backing);

	options.nthreads = attempt->nthreads;
	residency_take(&before, base + POPULATED);
	must_equal(fallow_map_populate_with(map, 2 * MiB, LENGTH - 2 * MiB, &options), -ENOMEM);
	residency_take(&after, base + POPULATED);
	residency_must_be_same(&before, &after);
	must_be_least(attempt->backing->there(attempt->backing), there - attempt->backing->slack);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, attempt->backing->reason);
	must_equal(fallow_map_stats(map, &stat), 0);
	must_equal(stat.populated, page);
	must(base[POPULATED] == 'p' && base[POPULATED + page - 1] == 'q');
	if (attempt->guard == FALLOW_GUARD_NONE)
		must_equal(base[TOUCHED], 't');
	else
		must_equal(map_touch(base + TOUCHED), SIGSEGV);
	residency_drop(&before);
	residency_drop(&after);
}

static void fail_without_trace(void *argument)
{
	const struct attempt *attempt = argument;
	int fd;
	struct fallow_map *map = create(attempt, &fd);
	size_t page = fallow_map_page_size(map);
	char *base = fallow_map_base(map);

	must_equal(fallow_map_populate(map, POPULATED, page, FALLOW_POPULATE_WRITE), 0);
	base[POPULATED] = 'p';
	base[POPULATED + page - 1] = 'q';
	if (attempt->guard == FALLOW_GUARD_NONE)
		base[TOUCHED] = 't';
	for (int i = 0; i < 3; i++)
		must_leave_no_trace(attempt, map, page);
	must_equal(fallow_map_populate(map, 0, 2 * MiB, FALLOW_POPULATE_WRITE), 0);
	memset(base, 'x', 2 * MiB);
	fallow_map_destroy(map);
	if (fd >= 0)
		close(fd);
}

static void leaves_no_trace(void **state)
{
	const struct backing *backing = *state;

	for (unsigned int i = 0; i < 4; i++) {
		struct attempt attempt = { backing, i & 1 ? FALLOW_GUARD_TRAP : FALLOW_GUARD_NONE, i & 2 ? 3 : 1 };

		assert_lives(&backing->place, fail_without_trace, &attempt);
	}
}

int main(void)
{
	return backings_main("rollback of maps", finite_backings, NFINITE, leaves_no_trace);
}
