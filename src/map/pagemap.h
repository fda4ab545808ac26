/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page table as the kernel tells it: which pages of a range are present, zero, huge or in swap.
 */
#ifndef FL_MAP_PAGEMAP_H
#define FL_MAP_PAGEMAP_H

#include <fallow/map.h>

#include "base/base.h"

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

#endif
