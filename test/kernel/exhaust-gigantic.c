/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves the same of a pool of one page of 1 GiB as exhaust-finite does of one of four pages of 2 MiB. With
 * few sizes: zeroing such a page may take seconds.
 */
#include "test/kernel/exhaust.h"

static long long free_1g(const struct backing *backing)
{
	(void)backing;
	return (long long)test_machine_number(HUGE_1G "free_hugepages") << 30;
}

static const struct backing limited[] = {
	{
		.name = "one page of 1 GiB",
		.place.huge_1g = 1,
		.backing = FALLOW_BACKING_HUGETLB,
		.page_size = (size_t)1 << 30,
		.reason = FALLOW_REASON_POOL_EMPTY,
		.there = free_1g,
	},
};

int main(void)
{
	return exhaust_main(limited, 1, 2);
}
