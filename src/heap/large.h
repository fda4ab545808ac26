/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large blocks: an extent each. No lock is held across these calls by the caller.
 */
#ifndef FL_HEAP_LARGE_H
#define FL_HEAP_LARGE_H

#include "heap/arena.h"

/* NULL with *failure filled in. *zero: the block reads as zero. */
void *fl_large_alloc(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero, struct fl_failure *failure);

/* block is large->region's address of its first granule. */
void fl_large_free(struct fl_large *large, void *block);

/* Make it size bytes without moving. False when that cannot be; it is untouched then. */
bool fl_large_resize(struct fl_large *large, void *block, size_t size);

#endif
