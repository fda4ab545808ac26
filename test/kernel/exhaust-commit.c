/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which takes all that it can commit under overcommit_memory=2 is told no and why, got at least
 * 95 % of it, gives the commitment back and can have it again.
 */
#include "test/kernel/exhaust.h"

static const struct backing limited[] = {
	{
		.name = "overcommit_memory=2",
		.place.commit = (size_t)256 << 20,
		.backing = FALLOW_BACKING_ANON,
		.reason = FALLOW_REASON_COMMIT_LIMIT,
		.there = backing_committable,
		.slack = 12 << 20, /* a 32nd part of the addresses, which stay; metadata */
		.others_take = true,
	},
};

int main(void)
{
	return exhaust_main(limited, 1, HOARD_NSIZES);
}
