/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests use of glibc and musl 1.2.3 does not declare. Included before each test by -include.
 */
#ifndef FALLOW_TEST_MUSL_GLIBC_H
#define FALLOW_TEST_MUSL_GLIBC_H

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int __rlimit_resource_t;

/* In words: "Out of memory" for ENOMEM. */
static inline const char *strerrorname_np(int error)
{
	return strerror(error);
}

/* In words: "Killed" for SIGKILL. */
static inline const char *sigabbrev_np(int signal)
{
	return strsignal(signal);
}

static inline int close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

#endif
