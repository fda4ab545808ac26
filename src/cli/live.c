/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading what the record leads to.
 */
#include "cli/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fallow/types.h>

#include "cli/memory.h"
#include "cli/text.h"

#define ELEMENT_MAX 16384
#define NELEMENTS_MAX 65536
#define NMAPS_MAX 1024
#define NTRIES 8

/* A number of ours, of 64 bits, and the field that it is read from. */
struct binding {
	const char *field;
	size_t offset;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REGION(name, member) { "region." name, offsetof(struct fl_live_region, member) }
#define ARENA(name, member) { "arena." name, offsetof(struct fl_live_arena, member) }
#define FAILURE(name, member) { "failure." name, offsetof(struct fl_live_failure, member) }

static const struct binding region_bindings[] = {
	REGION("base", base), REGION("nreserved", reserved), REGION("frontier", mapped), REGION("limit", limit),
	REGION("taken", taken), REGION("present", present), REGION("npopulates", npopulates),
	REGION("ndiscards", ndiscards), REGION("kind", kind), REGION("shared", shared), REGION("huge", huge),
	REGION("populate", populate), REGION("page_size", page_size), REGION("units", units),
};

#define MAP(name, member) { "map." name, offsetof(struct fl_live_region, member) }

static const struct binding map_bindings[] = {
	MAP("base", base), MAP("reserve", reserved), MAP("length", mapped), MAP("limit", limit), MAP("populated", present),
	MAP("npopulates", npopulates), MAP("ndiscards", ndiscards), MAP("kind", kind), MAP("shared", shared),
	MAP("huge", huge), MAP("page_size", page_size),
};

static const struct binding arena_bindings[] = {
	ARENA("serial", serial), ARENA("region", region), ARENA("blocks", blocks), ARENA("spill", spill),
	ARENA("explicit", is_explicit), ARENA("shares_region", shares_region), ARENA("limit", limit),
	ARENA("taken", taken), ARENA("spilled", spilled), ARENA("large", large), ARENA("nlarge", nlarge),
	ARENA("nslabs", nslabs), ARENA("nfailures", nfailures),
};

static const struct binding failure_bindings[] = {
	FAILURE("time_ms", time_ms), FAILURE("requested", requested), FAILURE("headroom", headroom),
	FAILURE("reason", reason), FAILURE("error", error),
};

/* An element as it lies in the process. */
static bool read_element(const struct fl_process *process, const char *kind, uint64_t address, char *element)
{
	const struct fallow_live_field *whole = fl_process_field(process, kind);

	return whole != NULL && whole->size <= ELEMENT_MAX && fl_process_read(process, address, element, whole->size);
}

/* A field of an element as a number; 0 when the library has none such. */
static uint64_t number_in(const struct fl_process *process, const char *element, const char *field)
{
	const struct fallow_live_field *place = fl_process_field(process, field);
	uint64_t number = 0;

	if (place != NULL && place->size <= sizeof(number) && place->offset <= ELEMENT_MAX - sizeof(number))
		memcpy(&number, element + place->offset, place->size);
	return number;
}

static void bind(const struct fl_process *process, const char *element, const struct binding *bindings, size_t n,
		 void *object)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t number = number_in(process, element, bindings[i].field);
		memcpy((char *)object + bindings[i].offset, &number, sizeof(number));
	}
}

static void copy_name(const struct fl_process *process, const char *element, const char *field, char *name)
{
	const struct fallow_live_field *place = fl_process_field(process, field);

	if (place == NULL || place->offset > ELEMENT_MAX - FL_REGION_NAME_LENGTH)
		return;
	size_t length = place->size < FL_REGION_NAME_LENGTH ? place->size : FL_REGION_NAME_LENGTH;
	memcpy(name, element + place->offset, length);
	name[length - 1] = '\0';
	for (char *c = name; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

/* The region of a slot, if there is one; tried again while it changes. */
static bool read_region(const struct fl_process *process, uint64_t slot, struct fl_live_region *region)
{
	char before[ELEMENT_MAX], after[ELEMENT_MAX], element[ELEMENT_MAX];

	for (int i = 0; i < NTRIES; i++) {
		if (!read_element(process, "slot", slot, before))
			return false;
		uint64_t version = number_in(process, before, "slot.version");
		uint64_t address = number_in(process, before, "slot.region");
		if (address == 0)
			return false;
		bool read = version % 2 == 0 && read_element(process, "region", address, element);
		if (!read_element(process, "slot", slot, after) ||
		    number_in(process, after, "slot.version") != version || !read)
			continue;
		*region = (struct fl_live_region){ .address = address, .slot = slot, .version = version };
		bind(process, element, region_bindings, COUNT(region_bindings), region);
		copy_name(process, element, "region.name", region->name);
		region->reserved *= process->live.granule;
		region->mapped *= process->live.granule;
		return true;
	}
	return false;
}

bool fl_live_region_lasts(const struct fl_process *process, const struct fl_live_region *region)
{
	char slot[ELEMENT_MAX];

	/* Of maps it is only known that some have come or gone. */
	if (region->is_map)
		return fl_process_word(process, process->live.maps_version) == region->version;
	return read_element(process, "slot", region->slot, slot) &&
	       number_in(process, slot, "slot.version") == region->version;
}

/* Maps, from the first on, into the places of at most nmax regions: how many. */
static size_t read_maps(const struct fl_process *process, struct fl_live_region *maps, size_t nmax)
{
	uint64_t address = fl_process_word(process, process->live.maps);
	char element[ELEMENT_MAX];
	size_t n = 0;

	for (; address != 0 && n < nmax && read_element(process, "map", address, element); n++) {
		struct fl_live_region *map = &maps[n];
		*map = (struct fl_live_region){ .address = address, .is_map = true };
		bind(process, element, map_bindings, COUNT(map_bindings), map);
		copy_name(process, element, "map.name", map->name);
		map->limit *= map->page_size;
		map->present *= map->page_size;
		map->taken = map->present;
		address = number_in(process, element, "map.next");
	}
	return n;
}

/* The same, none of which has gone meanwhile; none where they come and go all the time. */
static size_t read_lasting_maps(const struct fl_process *process, struct fl_live_region *maps, size_t nmax)
{
	for (int i = 0; process->live.maps != NULL && i < NTRIES; i++) {
		uint64_t version = fl_process_word(process, process->live.maps_version);
		size_t n = read_maps(process, maps, nmax);
		if (version % 2 == 0 && fl_process_word(process, process->live.maps_version) == version) {
			for (size_t j = 0; j < n; j++)
				maps[j].version = version;
			return n;
		}
	}
	return 0;
}

/* The arena of a word, if there is one; what was destroyed while it was read counts as gone. */
static bool read_arena(const struct fl_process *process, const void *word, struct fl_live_arena *arena)
{
	char before[ELEMENT_MAX], after[ELEMENT_MAX];
	uint64_t address = fl_process_word(process, word);

	if (address == 0 || !read_element(process, "arena", address, before) ||
	    fl_process_word(process, word) != address || !read_element(process, "arena", address, after))
		return false;
	bind(process, before, arena_bindings, COUNT(arena_bindings), arena);
	return number_in(process, after, "arena.serial") == arena->serial;
}

static bool read_failure(const struct fl_process *process, uint64_t number, struct fl_live_failure *failure)
{
	const struct fallow_live_field *whole = fl_process_field(process, "failure");
	char before[ELEMENT_MAX], after[ELEMENT_MAX];

	if (whole == NULL || process->live.nfailure_slots == 0)
		return false;
	uint64_t address = (uintptr_t)process->live.failures + (number - 1) % process->live.nfailure_slots * whole->size;
	if (!read_element(process, "failure", address, before) || !read_element(process, "failure", address, after) ||
	    number_in(process, before, "failure.version") != 2 * number ||
	    number_in(process, after, "failure.version") != 2 * number)
		return false;
	failure->number = number;
	bind(process, before, failure_bindings, COUNT(failure_bindings), failure);
	return true;
}

/* How many elements a word of the process says that there are, as far as that can be true. */
static size_t count(const struct fl_process *process, const void *word)
{
	uint64_t n = fl_process_word(process, word);

	return n < NELEMENTS_MAX ? (size_t)n : NELEMENTS_MAX;
}

static void read_regions(struct fl_live *live, const struct fl_process *process)
{
	const struct fallow_live_field *slot = fl_process_field(process, "slot");
	size_t n = slot != NULL ? count(process, process->live.nslots) : 0;

	live->regions = fl_allocate(n + NMAPS_MAX, sizeof(*live->regions));
	for (size_t i = 0; i < n; i++)
		live->nregions += read_region(process, (uintptr_t)process->live.slots + i * slot->size,
					      &live->regions[live->nregions]);
	live->nregions += read_lasting_maps(process, &live->regions[live->nregions], NMAPS_MAX);
}

static void read_arenas(struct fl_live *live, const struct fl_process *process)
{
	size_t n = count(process, process->live.narenas);

	live->arenas = fl_allocate(n, sizeof(*live->arenas));
	for (size_t i = 0; i < n; i++)
		live->narenas += read_arena(process, (const uint64_t *)process->live.arenas + i,
					    &live->arenas[live->narenas]);
}

static void read_failures(struct fl_live *live, const struct fl_process *process)
{
	uint64_t newest = fl_process_word(process, process->live.nfailures);
	uint64_t nslots = process->live.nfailure_slots < NELEMENTS_MAX ? process->live.nfailure_slots : NELEMENTS_MAX;
	uint64_t oldest = newest > nslots ? newest - nslots : 0;

	live->nfailures = newest;
	live->failures = fl_allocate((size_t)(newest - oldest), sizeof(*live->failures));
	for (uint64_t number = newest; number > oldest; number--)
		live->nfailures_kept += read_failure(process, number, &live->failures[live->nfailures_kept]);
}

static void mark_spilled(struct fl_live *live)
{
	for (size_t i = 0; i < live->narenas; i++)
		for (size_t j = 0; j < live->nregions; j++)
			if (live->arenas[i].spill == live->regions[j].address)
				live->regions[j].spilled = true;
}

static void add_up(struct fl_live *live)
{
	for (size_t i = 0; i < live->nregions; i++) {
		const struct fl_live_region *region = &live->regions[i];
		if (region->is_map) {
			live->in_maps += region->present;
			continue;
		}
		live->taken += region->taken;
		live->populated += region->present;
		live->idle += region->present > region->taken ? region->present - region->taken : 0;
		live->npopulates += region->npopulates;
		live->ndiscards += region->ndiscards;
	}
	for (size_t i = 0; i < live->narenas; i++) {
		live->spilled += live->arenas[i].spilled;
		live->large += live->arenas[i].large;
		live->nlarge += live->arenas[i].nlarge;
		live->nslabs += live->arenas[i].nslabs;
	}
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool fl_live_read(struct fl_live *live, const struct fl_process *process)
{
	char path[64];

	fl_live_destroy(live);
	*live = (struct fl_live){ .time_ms = clock_ms() };
	live->age_ms = live->time_ms > process->live.started_ms ? live->time_ms - process->live.started_ms : 0;
	live->metadata = fl_process_word(process, process->live.metadata);
	live->ncaches = fl_process_word(process, process->live.ncaches);
	read_regions(live, process);
	read_arenas(live, process);
	read_failures(live, process);
	mark_spilled(live);
	add_up(live);
	snprintf(path, sizeof(path), "/proc/%d/status", process->pid);
	if (fl_file_field(path, "VmRSS:", &live->resident))
		live->resident *= 1024;
	return fl_process_lives(process);
}

void fl_live_destroy(struct fl_live *live)
{
	free(live->regions);
	free(live->arenas);
	free(live->failures);
	*live = (struct fl_live){ 0 };
}

const char *fl_live_backing(const struct fl_live_region *region)
{
	static const char *const names[] = {
		[FALLOW_BACKING_ANON] = "anon",
		[FALLOW_BACKING_HUGETLB] = "hugetlb",
		[FALLOW_BACKING_MEMFD] = "memfd",
		[FALLOW_BACKING_FILE] = "file",
	};
	static char text[16 + FL_SIZE_LENGTH];
	char size[FL_SIZE_LENGTH];
	const char *name = region->kind < COUNT(names) ? names[region->kind] : "?";

	fl_size_print(region->page_size, size);
	snprintf(text, sizeof(text), "%s%s%s%s", region->is_map ? "map " : "", name, region->huge ? " " : "",
		 region->huge ? size : "");
	return text;
}

const char *fl_live_arena_name(const struct fl_live_arena *arena)
{
	static char text[32];

	snprintf(text, sizeof(text), arena->is_explicit ? "arena %llu" : "process heap", (unsigned long long)arena->serial);
	return text;
}
