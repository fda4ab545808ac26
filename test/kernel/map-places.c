/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of places; see map-places.h.
 */
#include "test/kernel/map-places.h"

#include "test/kernel/backings.h"
#include "test/lib/lives.h"

#define HUGE ((size_t)2 << 20)
#define HUGETLBFS(n) { .huge_2m = (n), .hugetlbfs = PLACE_UNSIZED }
#define NPLACES (sizeof(places) / sizeof(places[0]))

static struct map_place places[] = {
	{ .name = "anonymous", .options = MAP_OPTIONS(.thp = FALLOW_THP_NEVER) },
	{ .name = "anonymous, huge", .options = MAP_OPTIONS(.thp = FALLOW_THP_ALWAYS) },
	{ .name = "anonymous, shared", .options = MAP_OPTIONS(.share = FALLOW_SHARE_SHARED) },
	{ .name = "anonymous, guard", .options = MAP_OPTIONS(.guard = FALLOW_GUARD_TRAP) },
	{ .name = "memfd", .options = MAP_OPTIONS(.backing = FALLOW_BACKING_MEMFD) },
	{ .name = "memfd, private",
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_MEMFD, .share = FALLOW_SHARE_PRIVATE) },
	{ .name = "memfd, guard",
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_MEMFD, .guard = FALLOW_GUARD_TRAP) },
	{ .name = "tmpfs", .place.tmpfs = MAP_PLACE_ROOM, .directory = PLACE_TMPFS,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE) },
	{ .name = "tmpfs, private", .place.tmpfs = MAP_PLACE_ROOM, .directory = PLACE_TMPFS,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE, .share = FALLOW_SHARE_PRIVATE) },
	{ .name = "tmpfs, guard", .place.tmpfs = MAP_PLACE_ROOM, .directory = PLACE_TMPFS,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE, .guard = FALLOW_GUARD_TRAP) },
	{ .name = "ext4", .place.ext4 = MAP_PLACE_ROOM, .directory = PLACE_EXT4,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE) },
	{ .name = "ext4, private", .place.ext4 = MAP_PLACE_ROOM, .directory = PLACE_EXT4,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE, .share = FALLOW_SHARE_PRIVATE) },
	{ .name = "hugetlb", .place.huge_2m = MAP_PLACE_NHUGE,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_HUGETLB, .page_size = HUGE) },
	{ .name = "hugetlb, guard", .place.huge_2m = MAP_PLACE_NHUGE,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_HUGETLB, .page_size = HUGE, .guard = FALLOW_GUARD_TRAP) },
	{ .name = "hugetlb memfd", .place.huge_2m = MAP_PLACE_NHUGE,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_MEMFD, .page_size = HUGE) },
	{ .name = "hugetlbfs", .place = HUGETLBFS(MAP_PLACE_NHUGE), .directory = PLACE_HUGETLBFS,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE, .page_size = HUGE) },
	{ .name = "hugetlbfs, private", .place = HUGETLBFS(2 * MAP_PLACE_NHUGE), .directory = PLACE_HUGETLBFS,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE, .page_size = HUGE, .share = FALLOW_SHARE_PRIVATE) },
	{ .name = "hugetlbfs, guard", .place = HUGETLBFS(MAP_PLACE_NHUGE), .directory = PLACE_HUGETLBFS,
	  .options = MAP_OPTIONS(.backing = FALLOW_BACKING_FILE, .page_size = HUGE, .guard = FALLOW_GUARD_TRAP) },
};

struct fallow_map_options map_place_options(const struct map_place *place)
{
	struct fallow_map_options options = place->options;

	options.fd = backing_file(place->directory);
	return options;
}

int map_places_main(const char *name, void (*test)(void **state), bool (*suits)(const struct map_place *place))
{
	struct CMUnitTest tests[NPLACES];
	size_t n = 0;

	for (size_t i = 0; i < NPLACES; i++)
		if (suits == NULL || suits(&places[i]))
			tests[n++] = (struct CMUnitTest){ places[i].name, test, NULL, NULL, &places[i] };
	return lives_end(_cmocka_run_group_tests(name, tests, n, NULL, NULL));
}
