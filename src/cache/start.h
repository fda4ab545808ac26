/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process heap's arena, made at the first request, and what comes before it can be.
 *
 * The loader allocates before libc knows the environment. Until it does, blocks come from a small static buffer and are
 * never reused: some kilobytes at most, since the heap starts anyway when the buffer is full.
 */
#ifndef FL_CACHE_START_H
#define FL_CACHE_START_H

#include "heap/arena.h"

/* The process heap's arena; NULL while it is too early to make it. Without locks held. */
struct fallow_arena *fl_start(void);

/* The same, but never makes it. */
struct fallow_arena *fl_process_arena(void);

/* A block from the buffer; zeroed. Only while fl_start() returns NULL. */
void *fl_start_alloc_early(size_t size, size_t alignment);

/* Whether a block came from the buffer, and the bytes it has. */
bool fl_start_is_early(const void *block);
size_t fl_start_early_size(const void *block);

#endif
