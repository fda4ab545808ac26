/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits on memory: the memory cgroup's, the process's, the system's.
 */
#include <string.h>
#include <sys/resource.h>

#include "cli/cgroups.h"
#include "cli/doctor.h"
#include "cli/text.h"

/* What of this is left is too little for one huge page and what goes with it. */
#define ROOM_MIN ((uint64_t)4 << 20)

/* The kernel's default, and what a heap of many huge pages and holes wants. */
#define MAP_COUNT_DEFAULT 65530

static const char *const limits_v1[] = { "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", NULL };
static const char *const limits_v2[] = { "memory.max", "memory.high", NULL };

static uint64_t page_cache(const struct fl_group *group)
{
	/* Version 1's own counts leave out the groups below. */
	return group->unified ? fl_group_stat(group, "inactive_file ") + fl_group_stat(group, "active_file ") :
				fl_group_stat(group, "total_inactive_file ") + fl_group_stat(group, "total_active_file ");
}

/* Whether the group has this limit. */
static bool check_memory_limit(struct fl_report *report, const struct fl_group *group, const char *file)
{
	char of[FL_SIZE_LENGTH], had[FL_SIZE_LENGTH], cached[FL_SIZE_LENGTH], left[FL_SIZE_LENGTH];
	uint64_t limit, used = 0, cache = page_cache(group);

	if (!fl_group_number(group, file, &limit) || limit >= FL_CGROUP_UNLIMITED)
		return false;
	fl_group_number(group, group->unified ? "memory.current" : "memory.usage_in_bytes", &used);
	uint64_t room = limit + cache > used ? limit + cache - used : 0;
	fl_report_add(report, room < ROOM_MIN ? FL_PROBLEM : FL_NOTE, "memory-cgroup.limit",
		      "%s/%s: %s; %s used, of which %s page cache: room for %s", group->path, file,
		      fl_size_print(limit, of), fl_size_print(used, had), fl_size_print(cache, cached),
		      fl_size_print(room, left));
	fl_report_advise(report, "raise it, or have the container's memory limit raised; fallow answers NULL before the limit");
	return true;
}

void fl_doctor_memory_cgroup(struct fl_report *report)
{
	struct fl_group group;
	bool any = false;

	if (!fl_group_find("memory", &group)) {
		fl_report_add(report, FL_OK, "memory-cgroup.limit", "no memory cgroup to be seen");
		return;
	}
	do
		for (const char *const *file = group.unified ? limits_v2 : limits_v1; *file != NULL; file++)
			any |= check_memory_limit(report, &group, *file);
	while (fl_group_up(&group));
	if (!any)
		fl_report_add(report, FL_OK, "memory-cgroup.limit", "no limit to be seen");
}

static void check_rlimit(struct fl_report *report, const char *subject, __rlimit_resource_t resource, const char *name,
			 const char *option, const char *what)
{
	struct rlimit limit;
	char size[FL_SIZE_LENGTH];

	if (getrlimit(resource, &limit) != 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY) {
		fl_report_add(report, FL_OK, subject, "%s: no limit", name);
		return;
	}
	fl_report_add(report, FL_NOTE, subject, "%s: %s: %s", name, fl_size_print(limit.rlim_cur, size), what);
	fl_report_advise(report, "ulimit %s unlimited, or limits.conf(5), or the service's settings", option);
}

static void check_overcommit(struct fl_report *report)
{
	uint64_t mode, limit = 0, committed = 0;
	char of[FL_SIZE_LENGTH], left[FL_SIZE_LENGTH];

	if (!fl_file_number("/proc/sys/vm/overcommit_memory", &mode))
		return;
	if (mode != 2) {
		fl_report_add(report, FL_OK, "limits.overcommit", "vm.overcommit_memory is %llu: memory is not committed beforehand",
			      (unsigned long long)mode);
		return;
	}
	fl_file_field("/proc/meminfo", "CommitLimit:", &limit);
	fl_file_field("/proc/meminfo", "Committed_AS:", &committed);
	uint64_t room = limit > committed ? (limit - committed) << 10 : 0;
	fl_report_add(report, room < ROOM_MIN ? FL_PROBLEM : FL_NOTE, "limits.overcommit",
		      "vm.overcommit_memory is 2: %s may be committed, %s is left", fl_size_print(limit << 10, of),
		      fl_size_print(room, left));
	fl_report_advise(report, "as root: sysctl vm.overcommit_memory=0, or a higher vm.overcommit_ratio");
}

static void check_map_count(struct fl_report *report)
{
	uint64_t count;

	if (!fl_file_number("/proc/sys/vm/max_map_count", &count))
		return;
	fl_report_add(report, count < MAP_COUNT_DEFAULT ? FL_NOTE : FL_OK, "limits.map-count",
		      "vm.max_map_count is %llu mappings a process", (unsigned long long)count);
	if (count < MAP_COUNT_DEFAULT)
		fl_report_advise(report, "as root: sysctl vm.max_map_count=%d", MAP_COUNT_DEFAULT);
}

void fl_doctor_limits(struct fl_report *report)
{
	check_rlimit(report, "limits.as", RLIMIT_AS, "RLIMIT_AS", "-v", "address space, reserved or not, ends there");
	check_rlimit(report, "limits.data", RLIMIT_DATA, "RLIMIT_DATA", "-d", "private memory ends there");
	check_rlimit(report, "limits.memlock", RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", "-l",
		     "more cannot be locked; memory that is not locked has no such limit");
	check_overcommit(report);
	check_map_count(report);
}
