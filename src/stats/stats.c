/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adding up what regions and arenas count, and writing it out.
 */
#include <fallow/stats.h>

#include <errno.h>

#include "base/format.h"
#include "cache/start.h"
#include "cache/threads.h"
#include "diag/failure.h"
#include "diag/message.h"
#include "diag/options.h"
#include "extent/decay.h"
#include "meta/meta.h"
#include "os/os.h"

#define LINE_LENGTH 128

static void add_regions(struct fallow_stats *stats)
{
	for (struct fl_region *region = NULL; (region = fl_region_next(region)) != NULL;) {
		size_t taken = __atomic_load_n(&region->taken, __ATOMIC_RELAXED);
		size_t present = __atomic_load_n(&region->present, __ATOMIC_RELAXED);
		stats->taken += taken;
		stats->populated += present;
		stats->idle += present > taken ? present - taken : 0;
		stats->npopulates += __atomic_load_n(&region->npopulates, __ATOMIC_RELAXED);
		stats->ndiscards += __atomic_load_n(&region->ndiscards, __ATOMIC_RELAXED);
	}
}

static void add_arenas(struct fallow_stats *stats)
{
	for (struct fallow_arena *arena = NULL; (arena = fl_arena_next(arena)) != NULL;) {
		stats->spilled += __atomic_load_n(&arena->spilled, __ATOMIC_RELAXED);
		stats->large += __atomic_load_n(&arena->large, __ATOMIC_RELAXED);
		stats->nlarge += __atomic_load_n(&arena->nlarge, __ATOMIC_RELAXED);
		stats->nslabs += __atomic_load_n(&arena->nslabs, __ATOMIC_RELAXED);
		stats->narenas++;
	}
}

int fallow_stats_read(struct fallow_stats *stats)
{
	if (stats == NULL || stats->size != sizeof(*stats))
		return -EINVAL;
	*stats = (struct fallow_stats)FALLOW_STATS_INIT;
	/* Nothing is destroyed while the helper is kept away. */
	fl_decay_pause();
	add_regions(stats);
	add_arenas(stats);
	fl_decay_resume();
	stats->metadata = fl_meta_mapped();
	stats->nfailures = fl_failure_count();
	stats->ncaches = fl_cache_count();
	return 0;
}

struct field {
	const char *name;
	const char *text;
	size_t offset;
};

#define FIELD(member, text) { #member, text, offsetof(struct fallow_stats, member) }

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "every counter is read as 64 bits");

static const struct field fields[] = {
	FIELD(taken, "bytes taken"),
	FIELD(populated, "bytes populated"),
	FIELD(idle, "bytes idle"),
	FIELD(spilled, "bytes spilled"),
	FIELD(metadata, "bytes of metadata"),
	FIELD(large, "bytes in large blocks"),
	FIELD(nlarge, "large blocks"),
	FIELD(nslabs, "slabs"),
	FIELD(npopulates, "populates"),
	FIELD(ndiscards, "discards"),
	FIELD(nfailures, "failures"),
	FIELD(narenas, "arenas"),
	FIELD(ncaches, "thread caches"),
};

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = fl_os_write(fd, text, length);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

int fallow_stats_write(int fd, enum fallow_stats_format format)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;
	char text[FL_LENGTH(fields) * LINE_LENGTH];
	size_t used = 0;

	if ((unsigned int)format > FALLOW_STATS_JSON)
		return -EINVAL;
	fallow_stats_read(&stats);
	for (size_t i = 0; i < FL_LENGTH(fields); i++) {
		unsigned long value = *(const uint64_t *)((const char *)&stats + fields[i].offset);
		if (format == FALLOW_STATS_JSON)
			used += fl_format(text + used, sizeof(text) - used, "%s\"%s\": %lu", i ? ", " : "{", fields[i].name,
					  value);
		else
			used += fl_format(text + used, sizeof(text) - used, "fallow: %lu %s\n", value, fields[i].text);
	}
	if (format == FALLOW_STATS_JSON)
		used += fl_format(text + used, sizeof(text) - used, "}\n");
	return write_all(fd, text, used);
}

__attribute__((destructor)) static void write_at_exit(void)
{
	if (fl_options.stats && fl_process_arena() != NULL && fl_message_has_stderr())
		fallow_stats_write(2, FALLOW_STATS_TEXT);
}
