/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a region's units and its page table, and putting both together.
 */
#include "cli/residency.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/scan.h"

#define NRANGES 512
#define NENTRIES 4096
#define ENTRIES_LENGTH_MAX ((uint64_t)1 << 38) /* to read entries of more takes seconds */
#define ENTRY_PRESENT ((uint64_t)1 << 63)
#define ENTRY_SWAPPED ((uint64_t)1 << 62)

const struct fl_state_style fl_state_styles[FL_NSTATES] = {
	[FL_USED] = { "in use", "#3f7fbf", 32, '#' },
	[FL_USED_HUGE] = { "in use, huge page", "#1b3f73", 25, 'H' },
	[FL_SPILLED] = { "in use, spilled", "#c8443c", 160, 's' },
	[FL_UNTOUCHED] = { "in use, not touched yet", "#c3dbf2", 153, '-' },
	[FL_IDLE] = { "free, still populated", "#f0a93a", 215, '+' },
	[FL_IDLE_HUGE] = { "free, still populated, huge page", "#b86f0e", 136, '*' },
	[FL_SWAPPED] = { "swapped out", "#8e5bb5", 97, 'z' },
	[FL_DISCARDED] = { "free, discarded or never used", "#e9e9e6", 254, '.' },
};

/* A region under way. */
struct survey {
	const struct fl_process *process;
	const struct fl_live_region *region;
	uint64_t length;  /* bytes, from its base on */
	uint64_t *free;   /* a word a unit: its free granules */
	uint64_t cell;
	struct fl_mix *cells;
};

void fl_mix_add(struct fl_mix *sum, const struct fl_mix *more)
{
	for (size_t i = 0; i < FL_NSTATES; i++)
		sum->bytes[i] += more->bytes[i];
}

uint64_t fl_mix_resident(const struct fl_mix *mix)
{
	return mix->bytes[FL_USED] + mix->bytes[FL_USED_HUGE] + mix->bytes[FL_SPILLED] + mix->bytes[FL_IDLE] +
	       mix->bytes[FL_IDLE_HUGE];
}

enum fl_state fl_mix_main(const struct fl_mix *mix)
{
	static const enum fl_state resident[] = { FL_USED, FL_USED_HUGE, FL_SPILLED, FL_IDLE, FL_IDLE_HUGE };
	static const enum fl_state others[] = { FL_SWAPPED, FL_UNTOUCHED, FL_DISCARDED };
	enum fl_state most = FL_NSTATES;

	for (size_t i = 0; i < sizeof(resident) / sizeof(resident[0]); i++)
		if (mix->bytes[resident[i]] > (most == FL_NSTATES ? 0 : mix->bytes[most]))
			most = resident[i];
	for (size_t i = 0; most == FL_NSTATES && i < sizeof(others) / sizeof(others[0]); i++)
		if (mix->bytes[others[i]] != 0)
			most = others[i];
	return most;
}

static bool is_free(const struct survey *survey, uint64_t granule)
{
	uint64_t n = survey->process->live.unit_granules;

	return !survey->region->is_map && survey->free[granule / n] >> granule % n & 1;
}

static enum fl_state resident_as(const struct survey *survey, bool unused, bool huge)
{
	if (unused)
		return huge ? FL_IDLE_HUGE : FL_IDLE;
	if (survey->region->spilled)
		return FL_SPILLED;
	return huge ? FL_USED_HUGE : FL_USED;
}

static enum fl_state absent_as(const struct survey *survey, bool unused)
{
	return unused || survey->region->is_map ? FL_DISCARDED : FL_UNTOUCHED;
}

static void move(struct survey *survey, uint64_t offset, uint64_t length, enum fl_state from, enum fl_state to)
{
	struct fl_mix *mix = &survey->cells[offset / survey->cell];

	mix->bytes[from] -= length;
	mix->bytes[to] += length;
}

/* The kernel says that [start, end) is resident, or swapped out. */
static void found(struct survey *survey, uint64_t start, uint64_t end, bool swapped, bool huge)
{
	uint64_t granule = survey->process->live.granule;
	uint64_t offset = start - survey->region->base, stop = end - survey->region->base;

	stop = stop < survey->length ? stop : survey->length;
	for (uint64_t next; offset < stop; offset = next) {
		next = (offset / granule + 1) * granule;
		next = next < stop ? next : stop;
		bool unused = is_free(survey, offset / granule);
		enum fl_state to = swapped ? FL_SWAPPED : resident_as(survey, unused, huge || survey->region->huge);
		move(survey, offset, next - offset, absent_as(survey, unused), to);
	}
}

/* Before the kernel is asked, nothing is resident. */
static void begin(struct survey *survey)
{
	/* Maps may be as long as the address space, and are alike everywhere. */
	uint64_t step = survey->region->is_map ? survey->cell : survey->process->live.granule;

	for (uint64_t offset = 0; offset < survey->length; offset += step) {
		enum fl_state state = absent_as(survey, is_free(survey, offset / survey->process->live.granule));
		uint64_t left = survey->length - offset;
		survey->cells[offset / survey->cell].bytes[state] += left < step ? left : step;
	}
}

static bool read_units(struct survey *survey)
{
	const struct fallow_live_field *unit = fl_process_field(survey->process, "unit");
	const struct fallow_live_field *field = fl_process_field(survey->process, "unit.free");
	uint64_t per_unit = survey->process->live.unit_granules;

	if (unit == NULL || field == NULL || field->size != sizeof(uint64_t) || per_unit != 64)
		return false;
	uint64_t n = (survey->length / survey->process->live.granule + per_unit - 1) / per_unit;
	char *units = malloc(n * unit->size);
	survey->free = calloc(n + 1, sizeof(*survey->free));
	bool read = units != NULL && survey->free != NULL &&
		    fl_process_read(survey->process, survey->region->units, units, n * unit->size);
	for (uint64_t i = 0; read && i < n; i++)
		memcpy(&survey->free[i], units + i * unit->size + field->offset, sizeof(*survey->free));
	free(units);
	return read;
}

/* False where the kernel has no such scan; a process that ends meanwhile is the caller's to notice. */
static bool scan(struct survey *survey, int pagemap)
{
	static struct fl_scan_range ranges[NRANGES];
	uint64_t end = survey->region->base + survey->length;
	struct fl_scan request = {
		.size = sizeof(request), .start = survey->region->base, .end = end, .vec = (uintptr_t)ranges,
		.vec_len = NRANGES, .category_anyof_mask = FL_SCAN_PRESENT | FL_SCAN_SWAPPED,
		.return_mask = FL_SCAN_PRESENT | FL_SCAN_SWAPPED | FL_SCAN_ZERO | FL_SCAN_HUGE,
	};

	for (;; request.start = ranges[NRANGES - 1].end) {
		long n = ioctl(pagemap, FL_SCAN, &request);
		if (n < 0)
			return request.start != survey->region->base;
		for (long i = 0; i < n; i++)
			if ((ranges[i].categories & FL_SCAN_ZERO) == 0)
				found(survey, ranges[i].start, ranges[i].end, (ranges[i].categories & FL_SCAN_SWAPPED) != 0,
				      (ranges[i].categories & FL_SCAN_HUGE) != 0);
		if (n < NRANGES)
			break;
	}
	return true;
}

/* On older kernels: page by page, without a word about huge pages and zero pages. */
static void read_entries(struct survey *survey, int pagemap)
{
	static uint64_t entries[NENTRIES];
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = survey->region->base + survey->length;

	for (uint64_t at = survey->region->base; at < end;) {
		ssize_t n = pread(pagemap, entries, sizeof(entries), (off_t)(at / page * sizeof(entries[0])));
		if (n <= 0)
			return;
		for (size_t i = 0; i < (size_t)n / sizeof(entries[0]) && at < end; i++, at += page)
			if (entries[i] & (ENTRY_PRESENT | ENTRY_SWAPPED))
				found(survey, at, at + page, (entries[i] & ENTRY_SWAPPED) != 0, false);
	}
}

bool fl_residency_read(const struct fl_process *process, const struct fl_live_region *region, uint64_t length,
		       uint64_t cell, struct fl_mix *cells)
{
	struct survey survey = { process, region, length, NULL, cell, cells };
	char path[64];

	memset(cells, 0, (length + cell - 1) / cell * sizeof(*cells));
	snprintf(path, sizeof(path), "/proc/%d/pagemap", process->pid);
	int pagemap = open(path, O_RDONLY | O_CLOEXEC);
	bool read = pagemap >= 0 && (region->is_map || read_units(&survey));
	if (read) {
		begin(&survey);
		if (!scan(&survey, pagemap)) {
			read = length <= ENTRIES_LENGTH_MAX;
			if (read)
				read_entries(&survey, pagemap);
		}
	}
	free(survey.free);
	if (pagemap >= 0)
		close(pagemap);
	return read && fl_live_region_lasts(process, region);
}
