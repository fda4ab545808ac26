/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork, so that it can fail where memory on huge pages would not survive it: handlers of pthread_atfork cannot say no.
 */
#include <errno.h>
#include <unistd.h>

#include "backing/fork.h"

#define EXPORT __attribute__((visibility("default")))

/* glibc's, by the name that nobody interposes. */
extern pid_t __fork(void);

EXPORT pid_t fork(void)
{
	if (fl_fork_admit() != 0) {
		errno = ENOMEM;
		return -1;
	}
	return __fork();
}
