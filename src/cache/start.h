/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process heap's arena, made at the first request, which may come from the loader before libc knows the environment:
 * it is read from where the kernel put it.
 */
#ifndef FL_CACHE_START_H
#define FL_CACHE_START_H

#include "heap/arena.h"

/* The process heap's arena; NULL when there is no memory for its beginnings. Without locks held. */
struct fallow_arena *fl_start(void);

/* The same, but never makes it: NULL before the first request. */
struct fallow_arena *fl_process_arena(void);

#endif
