/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow stat for scripts: JSON.
 */
#include <inttypes.h>
#include <stdbool.h>

#include <fallow/stats.h>

#include "cli/stat.h"
#include "cli/text.h"

static void write_number(FILE *stream, const char *name, uint64_t value)
{
	fprintf(stream, ",\"%s\":%" PRIu64, name, value);
}

static void write_text(FILE *stream, const char *name, const char *value)
{
	fprintf(stream, ",\"%s\":", name);
	fl_json_write_string(value, stream);
}

static void write_region(FILE *stream, const struct fl_live_region *region)
{
	fprintf(stream, "{\"base\":%" PRIu64, region->base);
	write_text(stream, "name", region->name);
	write_text(stream, "backing", fl_live_backing(region));
	write_number(stream, "page_size", region->page_size);
	fprintf(stream, ",\"spilled\":%s,\"map\":%s", region->spilled ? "true" : "false", region->is_map ? "true" : "false");
	write_number(stream, "reserved", region->reserved);
	write_number(stream, "mapped", region->mapped);
	write_number(stream, "limit", region->limit);
	write_number(stream, "taken", region->taken);
	write_number(stream, "populated", region->present);
	write_number(stream, "npopulates", region->npopulates);
	write_number(stream, "ndiscards", region->ndiscards);
	fputc('}', stream);
}

static void write_arena(FILE *stream, const struct fl_live_arena *arena)
{
	fprintf(stream, "{\"serial\":%" PRIu64, arena->serial);
	write_text(stream, "name", fl_live_arena_name(arena));
	write_number(stream, "limit", arena->limit);
	write_number(stream, "taken", arena->taken);
	write_number(stream, "spilled", arena->spilled);
	write_number(stream, "large", arena->large);
	write_number(stream, "nlarge", arena->nlarge);
	write_number(stream, "nslabs", arena->nslabs);
	write_number(stream, "nfailures", arena->nfailures);
	fputc('}', stream);
}

static void write_failure(FILE *stream, const struct fl_live_failure *failure, uint64_t now)
{
	fprintf(stream, "{\"number\":%" PRIu64, failure->number);
	write_number(stream, "age_ms", now > failure->time_ms ? now - failure->time_ms : 0);
	write_number(stream, "requested", failure->requested);
	if (failure->headroom != FALLOW_HEADROOM_UNKNOWN)
		write_number(stream, "headroom", failure->headroom);
	write_text(stream, "reason", fallow_reason_text((enum fallow_reason)failure->reason));
	write_number(stream, "errno", failure->error);
	fputc('}', stream);
}

void fl_stat_json(FILE *stream, const struct fl_process *process, const struct fl_live *live)
{
	fprintf(stream, "{\"pid\":%d", process->pid);
	write_text(stream, "command", process->command);
	write_number(stream, "age_ms", live->age_ms);
	write_number(stream, "resident", live->resident);
	write_number(stream, "taken", live->taken);
	write_number(stream, "populated", live->populated);
	write_number(stream, "idle", live->idle);
	write_number(stream, "spilled", live->spilled);
	write_number(stream, "in_maps", live->in_maps);
	write_number(stream, "metadata", live->metadata);
	write_number(stream, "large", live->large);
	write_number(stream, "nlarge", live->nlarge);
	write_number(stream, "nslabs", live->nslabs);
	write_number(stream, "npopulates", live->npopulates);
	write_number(stream, "ndiscards", live->ndiscards);
	write_number(stream, "nfailures", live->nfailures);
	write_number(stream, "ncaches", live->ncaches);
	fputs(",\"regions\":[", stream);
	for (size_t i = 0; i < live->nregions; i++) {
		fputs(i == 0 ? "" : ",", stream);
		write_region(stream, &live->regions[i]);
	}
	fputs("],\"arenas\":[", stream);
	for (size_t i = 0; i < live->narenas; i++) {
		fputs(i == 0 ? "" : ",", stream);
		write_arena(stream, &live->arenas[i]);
	}
	fputs("],\"failures\":[", stream);
	for (size_t i = 0; i < live->nfailures_kept; i++) {
		fputs(i == 0 ? "" : ",", stream);
		write_failure(stream, &live->failures[i], live->time_ms);
	}
	fputs("]}\n", stream);
}
