/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of huge pages, what keeps us from them, and whether a page comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fallow/pool.h>
#include <fallow/stats.h>

#include "cli/cgroups.h"
#include "cli/doctor.h"
#include "cli/hugepages.h"
#include "cli/text.h"

#define NNODES_MAX 256

/* Bytes of huge pages that an empty pool should get, for a start. */
#define ADVISED ((uint64_t)128 << 20)

static const char *as_root(void)
{
	return geteuid() == 0 ? "" : "as root: ";
}

static void say_empty(struct fl_report *report, const struct fl_hugepages *pool, enum fl_verdict verdict)
{
	char size[FL_SIZE_LENGTH];

	fl_size_print(pool->page_size, size);
	if (pool->total == 0)
		fl_report_add(report, verdict, "pools.free", "%s: the pool is empty: it has no page", size);
	else
		fl_report_add(report, verdict, "pools.free",
			      "%s: none of the pool's %llu pages is left: %llu in use, %llu promised to mappings", size,
			      (unsigned long long)pool->total, (unsigned long long)(pool->total - pool->free),
			      (unsigned long long)pool->reserved);
	uint64_t more = pool->page_size < ADVISED ? ADVISED / pool->page_size : 1;
	fl_report_advise(report, "%sfallow pool resize --size=%s %llu", as_root(), size,
			 (unsigned long long)(pool->total + more));
}

/* The default's pool is what backing:hugetlb draws from; another is empty unless somebody wants it. */
static void check_pool(struct fl_report *report, const struct fl_hugepages *pool, bool is_default)
{
	char size[FL_SIZE_LENGTH];

	if (fl_hugepages_available(pool) == 0 && pool->overcommit <= pool->surplus) {
		say_empty(report, pool, is_default ? FL_PROBLEM : FL_NOTE);
		return;
	}
	fl_report_add(report, fl_hugepages_available(pool) == 0 ? FL_NOTE : FL_OK, "pools.free",
		      "%s%s: %llu pages: %llu free, of which %llu reserved; %llu surplus of at most %llu",
		      fl_size_print(pool->page_size, size), is_default ? " (default)" : "", (unsigned long long)pool->total,
		      (unsigned long long)pool->free, (unsigned long long)pool->reserved,
		      (unsigned long long)pool->surplus, (unsigned long long)pool->overcommit);
	if (fl_hugepages_available(pool) == 0)
		fl_report_advise(report, "pages come on demand, if memory is not in pieces; to have them for sure: "
					 "%sfallow pool resize --size=%s NPAGES", as_root(), size);
}

static void check_nodes(struct fl_report *report, uint64_t size)
{
	int nodes[NNODES_MAX];
	size_t n = fl_hugepages_nodes(nodes, NNODES_MAX);
	struct fl_hugepages pool;
	char text[FL_SIZE_LENGTH];

	for (size_t i = 0; n > 1 && i < n; i++)
		if (fl_hugepages_read(size, nodes[i], &pool) && pool.total != 0)
			fl_report_add(report, pool.free == 0 ? FL_NOTE : FL_OK, "pools.node",
				      "%s, node %d: %llu pages: %llu free; %llu surplus", fl_size_print(size, text),
				      nodes[i], (unsigned long long)pool.total, (unsigned long long)pool.free,
				      (unsigned long long)pool.surplus);
}

/* The proof: whatever stands in the way that was not looked for, here it shows. */
static void check_trial(struct fl_report *report, uint64_t size)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_failure failure;
	struct fallow_pool *pool;
	char text[FL_SIZE_LENGTH];

	options.npages = 1;
	options.page_size = size;
	int result = fallow_pool_create(&options, &pool);
	fl_size_print(size, text);
	if (result == 0) {
		fallow_pool_destroy(pool);
		fl_report_add(report, FL_OK, "pools.trial", "asked for one page of %s, and got it", text);
		return;
	}
	fallow_last_failure(&failure);
	fl_report_add(report, FL_PROBLEM, "pools.trial", "asked for one page of %s, which was refused: %s", text,
		      result == -ENOMEM ? fallow_reason_text(failure.reason) : strerror(-result));
	if (result == -EPERM || result == -EACCES)
		fl_report_advise(report, "the container's filter of system calls, or its security module, must allow it");
	else if (result == -ENOMEM && failure.reason == FALLOW_REASON_HUGETLB_CGROUP)
		fl_report_advise(report, "what hugetlb-cgroup.limit says");
	else if (result == -ENOMEM && failure.reason == FALLOW_REASON_POOL_EMPTY)
		fl_report_advise(report, "what pools.free says");
}

void fl_doctor_pools(struct fl_report *report)
{
	uint64_t sizes[FL_NSIZES_MAX], chosen = fl_hugepages_default();
	size_t n = fl_hugepages_sizes(sizes);
	struct fl_hugepages pool;

	if (n == 0) {
		fl_report_add(report, FL_PROBLEM, "pools.free", "this kernel has no pools of huge pages, or hides them");
		fl_report_advise(report, "a kernel with CONFIG_HUGETLBFS, and /sys mounted");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!fl_hugepages_read(sizes[i], FL_NODE_ANY, &pool))
			continue;
		check_pool(report, &pool, sizes[i] == chosen);
		check_nodes(report, sizes[i]);
	}
	check_trial(report, chosen);
}

/* A size as the hugetlb controller's files have it: 2MB, 1GB, 64KB. */
static void name_size(uint64_t size, char *name)
{
	fl_size_print(size, name);
	strcat(name, "B");
}

static bool read_limit(const struct fl_group *group, const char *size, uint64_t *limit, uint64_t *used)
{
	char file[64];

	snprintf(file, sizeof(file), group->unified ? "hugetlb.%s.max" : "hugetlb.%s.limit_in_bytes", size);
	if (!fl_group_number(group, file, limit) || *limit >= FL_CGROUP_UNLIMITED)
		return false;
	snprintf(file, sizeof(file), group->unified ? "hugetlb.%s.current" : "hugetlb.%s.usage_in_bytes", size);
	if (!fl_group_number(group, file, used))
		*used = 0;
	return true;
}

/* Whether the group has a limit on pages of this size. */
static bool check_limit(struct fl_report *report, const struct fl_group *group, uint64_t page_size)
{
	char name[FL_SIZE_LENGTH + 1], size[FL_SIZE_LENGTH], of[FL_SIZE_LENGTH], had[FL_SIZE_LENGTH];
	uint64_t limit, used;

	name_size(page_size, name);
	if (!read_limit(group, name, &limit, &used))
		return false;
	bool full = limit < used + page_size;
	fl_report_add(report, full ? FL_PROBLEM : FL_NOTE, "hugetlb-cgroup.limit",
		      "%s: %s of pages of %s allowed, %s used%s", group->path, fl_size_print(limit, of),
		      fl_size_print(page_size, size), fl_size_print(used, had), full ? ": no page more can be had" : "");
	fl_report_advise(report, "%sraise %s/hugetlb.%s.%s, or have the container's huge-page limit raised", as_root(),
			 group->path, name, group->unified ? "max" : "limit_in_bytes");
	return true;
}

void fl_doctor_hugetlb_cgroup(struct fl_report *report)
{
	uint64_t sizes[FL_NSIZES_MAX];
	size_t n = fl_hugepages_sizes(sizes);
	struct fl_group group;
	bool any = false;

	if (fl_group_find("hugetlb", &group))
		do
			for (size_t i = 0; i < n; i++)
				any |= check_limit(report, &group, sizes[i]);
		while (fl_group_up(&group));
	if (!any)
		fl_report_add(report, FL_OK, "hugetlb-cgroup.limit", "no limit to be seen");
}

struct mounts {
	struct fl_report *report;
	size_t n;
};

static void check_mount(const struct fl_hugetlbfs *mount, void *argument)
{
	struct mounts *mounts = argument;
	char size[FL_SIZE_LENGTH], limit[FL_SIZE_LENGTH + 16] = "", of[FL_SIZE_LENGTH], room[FL_SIZE_LENGTH];
	bool full = mount->limited && mount->free < mount->page_size;

	mounts->n++;
	fl_size_print(mount->page_size, size);
	if (!mount->writable) {
		fl_report_add(mounts->report, FL_PROBLEM, "mounts.hugetlbfs",
			      "%s: no permission for user %u to make files there (pages of %s)", mount->directory, geteuid(),
			      size);
		fl_report_advise(mounts->report, "as root: chown or chmod it, or: fallow pool mount --owner=%u DIRECTORY",
				 geteuid());
		return;
	}
	if (mount->limited)
		snprintf(limit, sizeof(limit), ", limit %s", fl_size_print(mount->size, of));
	fl_report_add(mounts->report, full ? FL_PROBLEM : FL_OK, "mounts.hugetlbfs", "%s: pages of %s%s%s%s",
		      mount->directory, size, limit, mount->limited ? ", left " : "",
		      mount->limited ? fl_size_print(mount->free, room) : "");
	if (full)
		fl_report_advise(mounts->report, "remove files there, or as root: mount -o remount,size=SIZE %s",
				 mount->directory);
}

void fl_doctor_mounts(struct fl_report *report)
{
	struct mounts mounts = { .report = report };

	fl_hugetlbfs_each(check_mount, &mounts);
	if (mounts.n == 0) {
		fl_report_add(report, FL_NOTE, "mounts.hugetlbfs", "no hugetlbfs is mounted: huge pages without files only");
		fl_report_advise(report, "%sfallow pool mount DIRECTORY", as_root());
	}
}
