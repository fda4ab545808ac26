/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page that a recorder shares with the one process that it records, see struct fallow_recorder in fallow/live.h: the
 * process waits there, at moments that are wanted, until it has been looked at.
 *
 * What the process writes into the page is believed as far as it can do no harm: at worst there is a look too many.
 */
#ifndef FL_CLI_RECORDER_MOMENTS_H
#define FL_CLI_RECORDER_MOMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <fallow/live.h>

struct fl_moments {
	struct fallow_recorder *page;
	int fd;         /* close-on-exec: the process opens it by this one's /proc/PID/fd */
	uint32_t asked; /* as of the last fl_moments_wait() */
};

/* Make the page and name it in the environment. False with errno. */
bool fl_moments_create(struct fl_moments *moments);

/* The process that is meant, before it executes its program. */
void fl_moments_expect(struct fl_moments *moments, int pid);

/* The moments that are wanted from now on, beside those that are anyway: the start and the end. */
void fl_moments_want(struct fl_moments *moments, uint32_t wanted);

/*
 * Wait for a moment, an interruption, or so many milliseconds. Returns the moments that have come, 0: none. The process waits until
 * fl_moments_answer().
 */
uint32_t fl_moments_wait(struct fl_moments *moments, uint64_t milliseconds);
void fl_moments_answer(struct fl_moments *moments);

/* Have the wait that is under way, or else the next one, end at once; from a signal handler. */
void fl_moments_interrupt(struct fl_moments *moments);

/* The number of the failure whose moment it is. */
uint64_t fl_moments_failure(const struct fl_moments *moments);

#endif
