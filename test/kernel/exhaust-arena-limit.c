/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which takes all that an arena's own limit allows, on backings that have more, is told no and
 * why, got at least 95 % of the limit and can have it again after freeing.
 */
#include "test/kernel/exhaust.h"

#define MiB ((size_t)1 << 20)

static const struct backing limited[] = {
	{
		.name = "limited memfd",
		.backing = FALLOW_BACKING_MEMFD,
		.limit = 16 * MiB,
		.reason = FALLOW_REASON_ARENA_LIMIT,
		.there = backing_limit,
	},
	{
		.name = "limited ordinary memory",
		.backing = FALLOW_BACKING_ANON,
		.limit = 16 * MiB,
		.reason = FALLOW_REASON_ARENA_LIMIT,
		.there = backing_limit,
	},
	{
		.name = "limited huge pages",
		.place.huge_2m = 8,
		.backing = FALLOW_BACKING_HUGETLB,
		.limit = 8 * MiB,
		.reason = FALLOW_REASON_ARENA_LIMIT,
		.there = backing_limit,
	},
};

int main(void)
{
	return exhaust_main(limited, sizeof(limited) / sizeof(limited[0]), HOARD_NSIZES);
}
