/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that an ordinary program with fallow preloaded, which mallocs until NULL and writes all it got, lives and ends
 * with exit status 0: on a pool of four huge pages with spill:fail, under RLIMIT_AS and under RLIMIT_DATA. It got at
 * least 95 % of what was there; it was told why there is no more; what it freed went back while it slept; and it could
 * have it again.
 */
#include "test/kernel/preloaded.h"

#define MiB ((size_t)1 << 20)

static const struct preloaded preloaded[] = {
	{
		.name = "four huge pages",
		.place.huge_2m = 4,
		.conf = "backing:hugetlb,spill:fail,decay:500ms",
		.reason = FALLOW_REASON_POOL_EMPTY,
		.counter = "pool",
		.slack = 2 * MiB, /* a page for what libc itself has */
	},
	{
		.name = "RLIMIT_AS",
		.place.address_space = 256 * MiB,
		.conf = "decay:500ms",
		.reason = FALLOW_REASON_RLIMIT,
		.counter = "resident",
		.slack = 5 * MiB, /* tables, and slabs with slots in hand */
	},
	{
		.name = "RLIMIT_DATA",
		.place.data = 64 * MiB,
		.conf = "decay:500ms",
		.reason = FALLOW_REASON_RLIMIT,
		.counter = "resident",
		.slack = 6 * MiB,
	},
};

int main(void)
{
	return preloaded_main(preloaded, sizeof(preloaded) / sizeof(preloaded[0]));
}
