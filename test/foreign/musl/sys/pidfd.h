/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests use of glibc's header of this name, for musl.
 */
#ifndef FALLOW_TEST_MUSL_PIDFD_H
#define FALLOW_TEST_MUSL_PIDFD_H

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_open, pid, flags);
}

static inline int pidfd_send_signal(int fd, int signal, siginfo_t *info, unsigned int flags)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}

#endif
