/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims: address ranges that fallow uses by convention and maps as it grows.
 *
 * A claim is no mapping. It costs nothing, does not count against RLIMIT_AS (so that a program may set one on itself at
 * any time and still grow its stack), and is not in the way of anybody who insists on the place: what is mapped into a
 * claim is mapped with MAP_FIXED_NOREPLACE, and a place that turns out to be taken is skipped.
 *
 * Claims lie far below the area where the kernel puts mappings of its own choice (top down), each aligned to 1 GiB; where
 * addresses are scarce (valgrind), above it. They are cut first-fit from a short sorted list of free ranges.
 */
#ifndef FL_META_CLAIM_H
#define FL_META_CLAIM_H

#include "base/base.h"

#define FL_CLAIM_ALIGNMENT FL_GIB

/* Claim length bytes, rounded up to FL_CLAIM_ALIGNMENT. 0, or -ENOMEM when the address space has no such gap. */
int fl_claim_take(size_t length, uintptr_t *base);

/* Give a claim back, unmapped by the caller. */
void fl_claim_put(uintptr_t base, size_t length);

/* The longest claim that makes sense on this machine: 64 TiB, less where addresses are scarce. */
size_t fl_claim_longest(void);

#endif
