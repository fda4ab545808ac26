/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow stat for people: sums with bars, then regions, arenas and failures, from 40 columns on.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <fallow/stats.h>

#include "cli/stat.h"
#include "cli/text.h"

#define WIDE 72 /* columns from which on there is room for all of it */
#define BAR 24
#define AGE_LENGTH 32

struct screen {
	FILE *stream;
	const struct fl_terminal *terminal;
	bool wide;
};

static const char *colour(const struct screen *screen, const char *sequence)
{
	return screen->terminal->colours ? sequence : "";
}

/* A headline of a table. */
__attribute__((format(printf, 2, 3))) static void headline(const struct screen *screen, const char *format, ...)
{
	va_list arguments;

	fprintf(screen->stream, "\n%s", colour(screen, "\033[1m"));
	va_start(arguments, format);
	vfprintf(screen->stream, format, arguments);
	va_end(arguments);
	fprintf(screen->stream, "%s\n", colour(screen, "\033[0m"));
}

/* Milliseconds in the largest unit that says something. */
static const char *print_age(uint64_t ms, char *text)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" }, { 1, "ms" } };
	size_t i = 0;

	while (i < 4 && ms < 2 * units[i].ms)
		i++;
	snprintf(text, AGE_LENGTH, "%" PRIu64 " %s", ms / units[i].ms, units[i].name);
	return text;
}

static void print_bar(const struct screen *screen, uint64_t value, uint64_t most)
{
	size_t full = most == 0 ? 0 : (size_t)((double)value / (double)most * BAR + 0.5);

	fputs("  ", screen->stream);
	for (size_t i = 0; i < BAR; i++) {
		if (screen->terminal->unicode)
			fputs(i < full ? "█" : "░", screen->stream);
		else
			fputc(i < full ? '#' : '.', screen->stream);
	}
}

/* most is what a full bar stands for; 0: no bar. */
static void print_sum(const struct screen *screen, const char *name, uint64_t nbytes, uint64_t most, const char *meaning)
{
	char size[FL_SIZE_LENGTH];

	fprintf(screen->stream, "%-10s %8s", name, fl_size_print(nbytes, size));
	if (screen->wide) {
		if (most != 0)
			print_bar(screen, nbytes, most);
		else
			fprintf(screen->stream, "%*s", BAR + 2, "");
		fprintf(screen->stream, "  %s", meaning);
	}
	fputc('\n', screen->stream);
}

static void print_count(const struct screen *screen, const char *name, uint64_t now, uint64_t before, uint64_t ms)
{
	fprintf(screen->stream, "%-10s %8" PRIu64, name, now);
	if (ms != 0)
		fprintf(screen->stream, "  %.0f/s", (double)(now - before) * 1000 / (double)ms);
	fputc('\n', screen->stream);
}

static void print_sums(const struct screen *screen, const struct fl_live *live, const struct fl_live *before)
{
	uint64_t most = live->resident;
	uint64_t ms = before != NULL ? live->time_ms - before->time_ms : 0;

	most = live->taken > most ? live->taken : most;
	most = live->populated > most ? live->populated : most;
	print_sum(screen, "taken", live->taken, most, "handed out, touched or not");
	print_sum(screen, "populated", live->populated, most, "held, idle included");
	print_sum(screen, "idle", live->idle, most, "free, waiting to be given back");
	print_sum(screen, "resident", live->resident, most, "all of the process");
	if (live->spilled != 0)
		print_sum(screen, "spilled", live->spilled, most, "not in huge pages, for want of them");
	if (live->in_maps != 0)
		print_sum(screen, "in maps", live->in_maps, most, "populated there, not in the above");
	print_sum(screen, "metadata", live->metadata, 0, "fallow's own, mapped");
	fputc('\n', screen->stream);
	print_count(screen, "populates", live->npopulates, before ? before->npopulates : 0, ms);
	print_count(screen, "discards", live->ndiscards, before ? before->ndiscards : 0, ms);
	print_count(screen, "failures", live->nfailures, before ? before->nfailures : 0, ms);
}

static int compare_taken(const void *left, const void *right)
{
	uint64_t a = ((const struct fl_live_region *)left)->taken, b = ((const struct fl_live_region *)right)->taken;

	return (a < b) - (a > b);
}

/* Bytes, or a dash where 0 is none. */
static const char *print_limit(uint64_t limit, char *text)
{
	return limit == 0 ? "-" : fl_size_print(limit, text);
}

static void print_regions(const struct screen *screen, const struct fl_live *live)
{
	char taken[FL_SIZE_LENGTH], populated[FL_SIZE_LENGTH], idle[FL_SIZE_LENGTH], limit[FL_SIZE_LENGTH];

	qsort(live->regions, live->nregions, sizeof(*live->regions), compare_taken);
	if (screen->wide)
		headline(screen, "%-20s %-10s %9s %9s %9s %9s", "REGION", "BACKING", "TAKEN", "POPULATED", "IDLE", "LIMIT");
	else
		headline(screen, "%-18.18s %10s %10s", "REGION", "TAKEN", "POPULATED");
	for (size_t i = 0; i < live->nregions; i++) {
		const struct fl_live_region *region = &live->regions[i];
		uint64_t spare = region->present > region->taken ? region->present - region->taken : 0;
		fl_size_print(region->taken, taken);
		fl_size_print(region->present, populated);
		if (screen->wide)
			fprintf(screen->stream, "%-20.20s %-10s %9s %9s %9s %9s\n", region->name, fl_live_backing(region),
				taken, populated, fl_size_print(spare, idle), print_limit(region->limit, limit));
		else
			fprintf(screen->stream, "%-18.18s %10s %10s\n", region->name, taken, populated);
	}
}

static void print_arenas(const struct screen *screen, const struct fl_live *live)
{
	char large[FL_SIZE_LENGTH];

	if (screen->wide)
		headline(screen, "%-20s %-10s %9s %9s %9s %9s", "ARENA", "", "SLABS", "LARGE", "OF BYTES", "FAILURES");
	else
		headline(screen, "%-18s %10s %10s", "ARENA", "SLABS", "FAILURES");
	for (size_t i = 0; i < live->narenas; i++) {
		const struct fl_live_arena *arena = &live->arenas[i];
		if (screen->wide)
			fprintf(screen->stream, "%-31s %9" PRIu64 " %9" PRIu64 " %9s %9" PRIu64 "\n",
				fl_live_arena_name(arena), arena->nslabs, arena->nlarge,
				fl_size_print(arena->large, large), arena->nfailures);
		else
			fprintf(screen->stream, "%-18s %10" PRIu64 " %10" PRIu64 "\n", fl_live_arena_name(arena),
				arena->nslabs, arena->nfailures);
	}
}

static void print_failures(const struct screen *screen, const struct fl_live *live)
{
	char age[AGE_LENGTH], requested[FL_SIZE_LENGTH], headroom[FL_SIZE_LENGTH];

	if (live->nfailures_kept == 0)
		return;
	if (screen->wide)
		headline(screen, "%-18s %9s %9s  %s", "LAST FAILURES", "ASKED", "LEFT", "WHY");
	else
		headline(screen, "%-8s %8s  %s", "FAILED", "ASKED", "WHY");
	for (size_t i = 0; i < live->nfailures_kept; i++) {
		const struct fl_live_failure *failure = &live->failures[i];
		const char *why = fallow_reason_text((enum fallow_reason)failure->reason);
		print_age(live->time_ms > failure->time_ms ? live->time_ms - failure->time_ms : 0, age);
		fl_size_print(failure->requested, requested);
		if (screen->wide) {
			strcat(age, " ago");
			fprintf(screen->stream, "%-18s %9s %9s  %s", age, requested,
				failure->headroom == FALLOW_HEADROOM_UNKNOWN ? "-" : fl_size_print(failure->headroom, headroom),
				why);
			if (failure->error != 0)
				fprintf(screen->stream, " (%s)", strerrordesc_np((int)failure->error));
			fputc('\n', screen->stream);
		} else {
			fprintf(screen->stream, "%-8s %8s  %s\n", age, requested, why);
		}
	}
}

void fl_stat_screen(FILE *stream, const struct fl_process *process, const struct fl_live *live,
		    const struct fl_live *before, const struct fl_terminal *terminal)
{
	const struct screen screen = { stream, terminal, terminal->columns >= WIDE };
	char age[AGE_LENGTH];

	fprintf(stream, "%s%s%s (%d), on fallow for %s\n\n", colour(&screen, "\033[1m"), process->command,
		colour(&screen, "\033[0m"), process->pid, print_age(live->age_ms, age));
	print_sums(&screen, live, before);
	print_regions(&screen, live);
	print_arenas(&screen, live);
	print_failures(&screen, live);
}
