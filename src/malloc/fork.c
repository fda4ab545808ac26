/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork, so that it can fail where memory on huge pages would not survive it: handlers of pthread_atfork cannot say no.
 *
 * The rest is libc's. Of glibc's there is a name that nobody interposes; another libc's is the next one after ours. A static
 * program has no next one: there fork is left to a libc that is not glibc.
 */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "backing/fork.h"

#define EXPORT __attribute__((visibility("default")))

/* PIC is libtool's, for what goes into the shared library. */
#if defined(__GLIBC__) || defined(PIC)

extern pid_t __fork(void);

static pid_t fork_by_libc(void)
{
#ifdef __GLIBC__
	return __fork();
#else
	pid_t (*next)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");

	return next();
#endif
}

EXPORT pid_t fork(void)
{
	if (fl_fork_admit() != 0) {
		errno = ENOMEM;
		return -1;
	}
	return fork_by_libc();
}

#endif
