/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adding up what regions and arenas count, and writing it out.
 */
#include <fallow/stats.h>

#include <errno.h>
#include <stdarg.h>

#include "base/format.h"
#include "cache/start.h"
#include "cache/threads.h"
#include "diag/failure.h"
#include "diag/message.h"
#include "diag/options.h"
#include "extent/decay.h"
#include "meta/meta.h"
#include "os/os.h"

#define LINE_LENGTH 192

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
	stats->nfailures = __atomic_load_n(&fl_nfailures, __ATOMIC_RELAXED);
	stats->ncaches = __atomic_load_n(&fl_ncaches, __ATOMIC_RELAXED);
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

/* What is written, on the caller's stack. */
struct page {
	char text[(FL_LENGTH(fields) + FALLOW_NFAILURES + 2) * LINE_LENGTH];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void print(struct page *page, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	page->used += fl_format_list(page->text + page->used, sizeof(page->text) - page->used, format, arguments);
	va_end(arguments);
}

static unsigned long value_of(const struct fallow_stats *stats, const struct field *field)
{
	return *(const uint64_t *)((const char *)stats + field->offset);
}

static void print_text(struct page *page, const struct fallow_stats *stats,
		       const struct fallow_failure_record *failures, size_t nfailures)
{
	uint64_t now = fl_os_clock_ms_exact();

	for (size_t i = 0; i < FL_LENGTH(fields); i++)
		print(page, "fallow: %lu %s\n", value_of(stats, &fields[i]), fields[i].text);
	for (size_t i = 0; i < nfailures; i++) {
		const struct fallow_failure_record *failure = &failures[i];
		print(page, "fallow: failure %lu, %lu ms ago: %lu bytes: %s", failure->number, now - failure->time_ms,
		      failure->requested, fallow_reason_text(failure->reason));
		if (failure->headroom != FALLOW_HEADROOM_UNKNOWN)
			print(page, ", of which %lu bytes were left", failure->headroom);
		print(page, "\n");
	}
}

static void print_json(struct page *page, const struct fallow_stats *stats,
		       const struct fallow_failure_record *failures, size_t nfailures)
{
	for (size_t i = 0; i < FL_LENGTH(fields); i++)
		print(page, "%s\"%s\": %lu", i ? ", " : "{", fields[i].name, value_of(stats, &fields[i]));
	print(page, ", \"failures\": [");
	for (size_t i = 0; i < nfailures; i++) {
		const struct fallow_failure_record *failure = &failures[i];
		print(page, "%s{\"number\": %lu, \"time_ms\": %lu, \"requested\": %lu, \"reason\": \"%s\", \"errno\": %d",
		      i ? ", " : "", failure->number, failure->time_ms, failure->requested,
		      fallow_reason_text(failure->reason), failure->error);
		if (failure->headroom != FALLOW_HEADROOM_UNKNOWN)
			print(page, ", \"headroom\": %lu", failure->headroom);
		print(page, "}");
	}
	print(page, "]}\n");
}

int fallow_stats_write(int fd, enum fallow_stats_format format)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;
	struct fallow_failure_record failures[FALLOW_NFAILURES];
	struct page page;

	if ((unsigned int)format > FALLOW_STATS_JSON)
		return -EINVAL;
	page.used = 0;
	fallow_stats_read(&stats);
	size_t nfailures = fallow_failures(failures, FALLOW_NFAILURES);
	if (format == FALLOW_STATS_JSON)
		print_json(&page, &stats, failures, nfailures);
	else
		print_text(&page, &stats, failures, nfailures);
	return write_all(fd, page.text, page.used);
}

__attribute__((destructor)) static void write_at_exit(void)
{
	if (fl_options.stats && fl_process_arena() != NULL && fl_message_has_stderr())
		fallow_stats_write(2, FALLOW_STATS_TEXT);
}
