/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moments at which a recorder outside may look at the process, see struct fallow_recorder in fallow/live.h.
 *
 * Without a recorder each costs a load, and none lies where it could be felt: the start, the end, a failure. With one, the
 * thread waits until it has looked, and never longer than FALLOW_RECORDER_PATIENCE_MS, also when the recorder has died. Waiting
 * takes no lock and leaves errno alone; callers may hold locks, since a recorder reads memory and takes none.
 */
#ifndef FL_DIAG_MOMENT_H
#define FL_DIAG_MOMENT_H

#include "base/base.h"

/* The heap is made: find the recorder that the environment names, if there is one. Once. */
void fl_moment_start(char **environment);

/* A request was refused: failure number so many. */
void fl_moment_failure(uint64_t number);

#endif
