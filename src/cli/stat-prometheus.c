/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow stat for Prometheus: the text exposition format, version 0.0.4. Each sample is labelled with the process, so that
 * several processes' pages can be put together by a textfile collector.
 */
#include <inttypes.h>

#include <fallow/stats.h>

#include "cli/stat.h"

/* A label's value: backslash, quote and newline are escaped; there are no newlines in names. */
static void write_label(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', stream);
		fputc(*value, stream);
	}
	fputc('"', stream);
}

static void write_process(FILE *stream, const struct fl_process *process)
{
	fprintf(stream, "{pid=\"%d\",", process->pid);
	write_label(stream, "command", process->command);
}

static void write_head(FILE *stream, const char *name, const char *type, const char *help)
{
	fprintf(stream, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_sum(FILE *stream, const struct fl_process *process, const char *name, const char *type,
		      const char *help, uint64_t value)
{
	write_head(stream, name, type, help);
	fputs(name, stream);
	write_process(stream, process);
	fprintf(stream, "} %" PRIu64 "\n", value);
}

static void write_sums(FILE *stream, const struct fl_process *process, const struct fl_live *live)
{
	const struct {
		const char *name, *type, *help;
		uint64_t value;
	} sums[] = {
		{ "fallow_taken_bytes", "gauge", "Bytes handed out, touched or not.", live->taken },
		{ "fallow_populated_bytes", "gauge", "Bytes held, idle ones included.", live->populated },
		{ "fallow_idle_bytes", "gauge", "Bytes held that are free and wait for decay.", live->idle },
		{ "fallow_spilled_bytes", "gauge", "Bytes in ordinary memory for want of huge pages.", live->spilled },
		{ "fallow_maps_populated_bytes", "gauge", "Bytes populated in maps.", live->in_maps },
		{ "fallow_metadata_bytes", "gauge", "Bytes mapped for fallow's own data.", live->metadata },
		{ "fallow_resident_bytes", "gauge", "Bytes resident of the whole process.", live->resident },
		{ "fallow_large_bytes", "gauge", "Bytes in blocks that have an extent of their own.", live->large },
		{ "fallow_large_blocks", "gauge", "Blocks that have an extent of their own.", live->nlarge },
		{ "fallow_slabs", "gauge", "Slabs of small blocks.", live->nslabs },
		{ "fallow_arenas", "gauge", "Arenas, the process heap's included.", live->narenas },
		{ "fallow_thread_caches", "gauge", "Per-thread caches, parked ones included.", live->ncaches },
		{ "fallow_populates_total", "counter", "Calls that brought memory in.", live->npopulates },
		{ "fallow_discards_total", "counter", "Calls that gave memory back.", live->ndiscards },
		{ "fallow_failures_total", "counter", "Requests that were refused.", live->nfailures },
	};

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
		write_sum(stream, process, sums[i].name, sums[i].type, sums[i].help, sums[i].value);
}

static void write_region(FILE *stream, const struct fl_process *process, const struct fl_live_region *region,
			 const char *name, uint64_t value)
{
	fputs(name, stream);
	write_process(stream, process);
	fprintf(stream, ",base=\"0x%" PRIx64 "\",", region->base);
	write_label(stream, "region", region->name);
	fprintf(stream, "} %" PRIu64 "\n", value);
}

static void write_regions(FILE *stream, const struct fl_process *process, const struct fl_live *live)
{
	write_head(stream, "fallow_region_taken_bytes", "gauge", "Bytes handed out of a region.");
	for (size_t i = 0; i < live->nregions; i++)
		write_region(stream, process, &live->regions[i], "fallow_region_taken_bytes", live->regions[i].taken);
	write_head(stream, "fallow_region_populated_bytes", "gauge", "Bytes that a region holds.");
	for (size_t i = 0; i < live->nregions; i++)
		write_region(stream, process, &live->regions[i], "fallow_region_populated_bytes",
			     live->regions[i].present);
	write_head(stream, "fallow_region_limit_bytes", "gauge", "Most bytes that a region may hold, where it has a limit.");
	for (size_t i = 0; i < live->nregions; i++)
		if (live->regions[i].limit != 0)
			write_region(stream, process, &live->regions[i], "fallow_region_limit_bytes",
				     live->regions[i].limit);
}

void fl_stat_prometheus(FILE *stream, const struct fl_process *process, const struct fl_live *live)
{
	write_sums(stream, process, live);
	write_regions(stream, process, live);
}
