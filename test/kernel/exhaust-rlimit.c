/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which takes all that RLIMIT_AS or RLIMIT_DATA allows is told no and why, got at least 95 % of
 * what mmap alone would have given, and can have it again after freeing.
 */
#include "test/kernel/exhaust.h"

#define MiB ((size_t)1 << 20)

static const struct backing limited[] = {
	{
		.name = "RLIMIT_AS",
		.place.address_space = 256 * MiB,
		.backing = FALLOW_BACKING_ANON,
		.reason = FALLOW_REASON_RLIMIT,
		.there = backing_mappable,
		.slack = 2 * MiB,
		.back_with_arena = true,
	},
	{
		.name = "RLIMIT_DATA",
		.place.data = 64 * MiB,
		.backing = FALLOW_BACKING_ANON,
		.reason = FALLOW_REASON_RLIMIT,
		.there = backing_mappable,
		.slack = 2 * MiB,
		.back_with_arena = true,
	},
};

int main(void)
{
	return exhaust_main(limited, sizeof(limited) / sizeof(limited[0]), HOARD_NSIZES);
}
