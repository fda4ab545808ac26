/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page table as the kernel tells it: which pages of a range are present, zero, huge or in swap.
 */
#ifndef FL_MAP_PAGEMAP_H
#define FL_MAP_PAGEMAP_H

#include <fallow/map.h>

#include "base/base.h"
#include "os/kernel.h"

/*
 * Told of bytes [from, to) of the walked range, which have the same states (enum fallow_page_state). False ends the
 * walk.
 */
typedef bool fl_pagemap_fn(void *context, size_t from, size_t to, unsigned int states);

/*
 * Walk the base pages of a range that are present or in swap, in order; neighbours may come in several parts. Markers
 * that the kernel keeps in place of missing pages (guard pages, write protection) look like swap. 0, or -errno of
 * /proc.
 */
int fl_pagemap_walk(uintptr_t start, size_t length, fl_pagemap_fn *fn, void *context);

/* Told of a run of base pages whose categories (FL_SCAN_...) are the same. False ends the scan. */
typedef bool fl_scan_fn(void *context, const struct fl_scan_range *range);

/*
 * PAGEMAP_SCAN (6.7) of [scan.start, scan.end), with the masks and flags of scan, through a descriptor of
 * /proc/thread-self/pagemap. What fn is told of has been acted upon by the kernel, what comes after has not. 0, or -errno:
 * -ENOTTY where the kernel does not have it.
 */
int fl_pagemap_scan(int fd, struct fl_scan scan, fl_scan_fn *fn, void *context);

#endif
