/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forking with huge pages.
 *
 * Parent and child of a fork share private pages until one of them writes, who then needs another page. The pool of huge
 * pages may not have it: the kernel answers with SIGBUS. What is done about it is the fork policy of an arena, pool or
 * map (enum fallow_fork), and the option fork of the process heap:
 *
 *   AUTO    If the pool could give every private huge page once more, the child is made as ever. If not, ordinary memory
 *           takes their place before, at the same addresses, once; it is what parent and child copy then when they write.
 *           Memory that is given back later comes from the pool again. Where there is no ordinary memory either, fork
 *           fails with ENOMEM.
 *   COPY    Ordinary memory takes their place before each fork. So nobody is hurt who empties the pool later, while the child
 *           still shares pages with its parent.
 *   REFUSE  If the pool cannot give every private huge page once more, fork fails with ENOMEM.
 *
 * In a program that has threads those that write to such a page meanwhile wait, some milliseconds, by userfaultfd(2), which
 * takes root, CAP_SYS_PTRACE, vm.unprivileged_userfaultfd=1 or access to /dev/userfaultfd; without, fork fails with ENOMEM
 * where ordinary memory would have to take their place. So it does for a map that is tracked or of which a snapshot is
 * being taken. What a device reads into such a page while fork is called (O_DIRECT) may be lost.
 *
 * With libfallow-malloc, fork(2) itself fails. With libfallow, and in static programs of musl's, only fallow_fork() can:
 * there, and in what libc forks by itself (daemon, forkpty), all that could fail goes on, REFUSE as AUTO, with a line on
 * stderr where that may end in SIGBUS. vfork, posix_spawn, system and popen share memory until the program is executed, and
 * are left alone; so are clone(2) and _Fork.
 *
 * Ordinary memory needs nothing of this. Shared memory (memfds, files) is the same bytes in parent and child: an arena on
 * it may be used by one of the two only.
 */
#ifndef FALLOW_FORK_H
#define FALLOW_FORK_H

#include <sys/types.h>

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As fork(2), with ENOMEM also where a policy says so; the reason is with fallow_last_failure() then. */
FALLOW_API pid_t fallow_fork(void);

#ifdef __cplusplus
}
#endif

#endif
