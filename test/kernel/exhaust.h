/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program takes all that an arena's backing has, is told no, lives, gives it back, and takes it again.
 */
#ifndef TEST_KERNEL_EXHAUST_H
#define TEST_KERNEL_EXHAUST_H

#include <stddef.h>

#include "test/kernel/backings.h"

/* Run it on every backing with the last nsizes of hoard_sizes; main's exit status. */
int exhaust_main(const struct backing *bounded, size_t nbounded, size_t nsizes);

#endif
