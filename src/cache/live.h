/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record that leads an outside reader to what there is; see fallow/live.h. Nothing in here reads it.
 */
#ifndef FL_CACHE_LIVE_H
#define FL_CACHE_LIVE_H

#include <fallow/live.h>

extern struct fallow_live fl_live;

/* The heap is made: from now on the record is true. environment is the program's environ, which may name a recorder. */
void fl_live_start(char **environment);

#endif
