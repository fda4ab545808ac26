/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which takes all that a hugetlbfs mount or a hugetlb cgroup allows, where the system's pool has
 * more, is told no and why, got at least 95 % of it, gives every page back and can have them again.
 */
#include "test/kernel/exhaust.h"

#define MiB ((size_t)1 << 20)

static long long four_pages(const struct backing *backing)
{
	(void)backing;
	return place_free_2m() - (long long)(4 * 2 * MiB);
}

static const struct backing limited[] = {
	{
		.name = "file on a hugetlbfs of four pages of eight",
		.place = { .huge_2m = 8, .hugetlbfs = 8 * MiB },
		.backing = FALLOW_BACKING_FILE,
		.directory = PLACE_HUGETLBFS,
		.reason = FALLOW_REASON_TMPFS_FULL,
		.there = backing_filesystem,
	},
	{
		.name = "a cgroup of four pages of eight",
		.place = { .huge_2m = 8, .hugetlb_cgroup = 8 * MiB },
		.backing = FALLOW_BACKING_HUGETLB,
		.page_size = 2 * MiB,
		.reason = FALLOW_REASON_HUGETLB_CGROUP,
		.there = four_pages,
	},
	{
		.name = "a memfd in a cgroup of four pages of eight",
		.place = { .huge_2m = 8, .hugetlb_cgroup = 8 * MiB },
		.backing = FALLOW_BACKING_MEMFD,
		.page_size = 2 * MiB,
		.reason = FALLOW_REASON_HUGETLB_CGROUP,
		.there = four_pages,
	},
	{
		.name = "a private file on hugetlbfs in a cgroup of four pages of eight",
		.place = { .huge_2m = 8, .hugetlb_cgroup = 8 * MiB, .hugetlbfs = PLACE_UNSIZED },
		.backing = FALLOW_BACKING_FILE,
		.share = FALLOW_SHARE_PRIVATE,
		.directory = PLACE_HUGETLBFS,
		.reason = FALLOW_REASON_HUGETLB_CGROUP,
		.there = four_pages,
	},
};

int main(void)
{
	return exhaust_main(limited, sizeof(limited) / sizeof(limited[0]), HOARD_NSIZES);
}
