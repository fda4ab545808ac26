/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow: a sparse-mapping memory allocator for Linux. This header includes every public one.
 *
 * malloc-shaped calls return NULL and set errno; every other call returns 0 or -errno and hands results out by
 * pointer. Sizes are bytes unless a name says pages. Unless a comment says otherwise, any thread may call anything.
 */
#ifndef FALLOW_FALLOW_H
#define FALLOW_FALLOW_H

#include <fallow/arena.h>
#include <fallow/dirty.h>
#include <fallow/fork.h>
#include <fallow/jemalloc.h>
#include <fallow/live.h>
#include <fallow/malloc.h>
#include <fallow/map.h>
#include <fallow/options.h>
#include <fallow/pool.h>
#include <fallow/snapshot.h>
#include <fallow/stats.h>
#include <fallow/volatile.h>

#endif
