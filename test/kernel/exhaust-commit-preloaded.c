/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves of overcommit_memory=2 what exhaust-preloaded does of other limits.
 */
#include "test/kernel/preloaded.h"

#define MiB ((size_t)1 << 20)

static const struct preloaded preloaded[] = {
	{
		.name = "overcommit_memory=2",
		.place.commit = 256 * MiB,
		.conf = "decay:500ms",
		.reason = FALLOW_REASON_COMMIT_LIMIT,
		.counter = "resident",
		.slack = 4 * MiB,
		.others_take = true,
	},
};

int main(void)
{
	return preloaded_main(preloaded, 1);
}
