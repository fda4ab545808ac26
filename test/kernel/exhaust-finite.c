/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which takes all of a pool of four huge pages (anonymous, memfd, file on hugetlbfs shared and
 * private), of a tmpfs of 8 MiB (file shared and private) or of a small ext4 (file shared) is told no and why, got at
 * least 95 % of what was there, gives it all back and can have it again. A private mapping of a tmpfs pays twice: what
 * counts is what the tmpfs had.
 */
#include "test/kernel/exhaust.h"

int main(void)
{
	return exhaust_main(finite_backings, NFINITE, HOARD_NSIZES);
}
