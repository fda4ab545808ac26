/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps in places of their own where the backing is finite or its file must be somewhere, for tests that hold a map against a
 * model on every backing.
 */
#ifndef TEST_KERNEL_MAP_PLACES_H
#define TEST_KERNEL_MAP_PLACES_H

#include <fallow/map.h>

#include "test/lib/place.h"

struct map_place {
	const char *name;
	struct fallow_map_options options; /* but for length, and fd where there is a directory */
	struct place place;
	const char *directory;             /* where the map's file is made; NULL: it has none */
};

/* Initialises options. */
#define MAP_OPTIONS(...) { .size = sizeof(struct fallow_map_options), .fd = -1, .node = -1, __VA_ARGS__ }

/* Its options, with its file open as fd: map_end() closes it. */
struct fallow_map_options map_place_options(const struct map_place *place);

/* What a map in one of the places below has room for: bytes of small pages, and huge pages of 2 MiB. */
#define MAP_PLACE_ROOM ((size_t)64 << 20)
#define MAP_PLACE_NHUGE 32

/*
 * Run a cmocka test, whose state is the place, for each of the places that suit (NULL: all): on every backing, on small and on
 * huge pages, shared and private, with guards and without. main's exit status.
 */
int map_places_main(const char *name, void (*test)(void **state), bool (*suits)(const struct map_place *place));

#endif
