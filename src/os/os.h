/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every system call the library makes, each once: results are 0 (or a count, or a descriptor) or -errno. Nothing here
 * logs, aborts, counts, retries or touches errno; policy lives with the callers.
 *
 * Calls are raw, because libc's own wrappers may be interposed by the program and write errno.
 *
 * Tests make calls fail through fl_os_fault: it is asked before each call and may answer with a -errno.
 */
#ifndef FL_OS_OS_H
#define FL_OS_OS_H

#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>

#include "base/base.h"

enum fl_os_call {
	FL_OS_MMAP,
	FL_OS_MUNMAP,
	FL_OS_MPROTECT,
	FL_OS_MADVISE,
	FL_OS_MREMAP,
	FL_OS_MBIND,
	FL_OS_FALLOCATE,
	FL_OS_FTRUNCATE,
	FL_OS_FSTAT,
	FL_OS_FSTATFS,
	FL_OS_MEMFD_CREATE,
	FL_OS_OPEN,
	FL_OS_DUP,
	FL_OS_GETFL,
	FL_OS_READ,
	FL_OS_WRITE,
	FL_OS_GETRLIMIT,
	FL_OS_PROCESS_VM_WRITEV,
	FL_OS_IOCTL,
	FL_OS_LSEEK,
	FL_OS_MINCORE,
	FL_OS_PREAD,
	FL_OS_FUTEX_OR,
	FL_OS_PROCESS_VM_READV,
	FL_OS_USERFAULTFD,
	FL_OS_EVENTFD,
	FL_OS_POLL,
	FL_OS_PWRITEV2,
	FL_OS_FDATASYNC,
	FL_OS_NCALLS,
};

/*
 * Not NULL in tests only: returns 0 to let the call happen, or the -errno it is to fail with. detail is the advice of
 * madvise, the mode of fallocate, the protection of mmap and mprotect, the request of ioctl, and 0 for other calls.
 */
extern int (*fl_os_fault)(enum fl_os_call call, int detail);

/* The name of a call, as the kernel spells it. */
const char *fl_os_call_name(enum fl_os_call call);

/* mmap: *address is the wish on entry and the place on success; unchanged on failure. */
int fl_os_mmap(void **address, size_t length, int protection, int flags, int fd, uint64_t offset);
int fl_os_munmap(void *address, size_t length);
int fl_os_mprotect(void *address, size_t length, int protection);
int fl_os_madvise(void *address, size_t length, int advice);
/* Moves a mapping onto the place `to`, which is replaced. */
int fl_os_mremap_to(void *from, size_t from_length, size_t to_length, int flags, void *to);
/* Changes a mapping's length, in place. */
int fl_os_mremap(void *address, size_t from_length, size_t to_length);
/* A byte a page, whose lowest bit says whether a touch would find it in memory. */
int fl_os_mincore(void *address, size_t length, unsigned char *pages);
int fl_os_mbind(void *address, size_t length, int node);
/* Best effort: kernels without it, or built without it, show no name. */
void fl_os_name_mapping(void *address, size_t length, const char *name);

int fl_os_fallocate(int fd, int mode, uint64_t offset, uint64_t length);
int fl_os_ftruncate(int fd, uint64_t length);
int fl_os_fstat(int fd, struct stat *result);
int fl_os_fstatfs(int fd, struct statfs *result);
int fl_os_memfd_create(const char *name, unsigned int flags);
int fl_os_open(const char *path, int flags, unsigned int mode);
/* A close-on-exec duplicate. */
int fl_os_dup(int fd);
/* A userfaultfd, close-on-exec. */
int fl_os_userfaultfd(int flags);
/* A counter that is readable, for poll, once something was written to it. */
int fl_os_eventfd(void);
/* How many are ready, or -errno. A negative time waits for ever. */
int fl_os_poll(struct pollfd *files, size_t n, int milliseconds);
/* The file status flags of open(2). */
int fl_os_getfl(int fd);
void fl_os_close(int fd);
void fl_os_unlink(const char *path);
/* Bytes read or written, or -errno. */
ssize_t fl_os_read(int fd, void *buffer, size_t length);
ssize_t fl_os_write(int fd, const void *buffer, size_t length);
/* The same, but -EAGAIN where writing would wait. -EOPNOTSUPP: this kind of file always waits. */
ssize_t fl_os_write_now(int fd, const void *buffer, size_t length);
int fl_os_fdatasync(int fd);
ssize_t fl_os_pread(int fd, void *buffer, size_t length, uint64_t offset);
/* The new offset, or -errno. */
int64_t fl_os_lseek(int fd, uint64_t offset, int whence);
/* What the request returns, or -errno. */
long fl_os_ioctl(int fd, unsigned long request, void *argument);
int fl_os_getrlimit(int resource, struct rlimit *result);
/* Writes into the own process; answers EFAULT, or a short count, where a touch would raise a signal. */
ssize_t fl_os_write_self(const struct iovec *from, size_t nfrom, const struct iovec *to, size_t nto);
/* Reads from the own process, with the same answers. */
ssize_t fl_os_read_self(const struct iovec *to, size_t nto, const struct iovec *from, size_t nfrom);
/* Write a word as it is, atomically; answers EFAULT where a touch would raise a signal. */
int fl_os_rewrite_word(void *address);

/* These cannot fail in a way that matters. */
int fl_os_futex_wait(uint32_t *word, uint32_t expected);
int fl_os_futex_wait_for(uint32_t *word, uint32_t expected, uint64_t milliseconds);
void fl_os_futex_wake(uint32_t *word, int nwaiters);
/* The same, of a word in a mapping that is shared with another process. */
int fl_os_futex_wait_shared(uint32_t *word, uint32_t expected, uint64_t milliseconds);
void fl_os_futex_wake_shared(uint32_t *word, int nwaiters);
void fl_os_yield(void);
uint32_t fl_os_process_id(void);
/* Whether the calling thread is the one that the process began with. */
bool fl_os_is_first_thread(void);
/* Milliseconds since boot, coarse: a few nanoseconds to read, some milliseconds exact. */
uint64_t fl_os_clock_ms(void);
/* The same, exact: some tens of nanoseconds. */
uint64_t fl_os_clock_ms_exact(void);

/* What the thread has used of its processor, nanoseconds. */
uint64_t fl_os_cpu_ns(void);
/* A hard to guess number; falls back to the clock and addresses where the kernel has no randomness yet. */
uint64_t fl_os_random(void);
/* Processors that this thread may run on; at least 1. */
size_t fl_os_nprocessors(void);
/* The machine's base page size in bytes, from the auxiliary vector. */
size_t fl_os_page_size(void);
/* True when the program was given privileges at exec: the environment is not to be trusted. */
bool fl_os_secure(void);

#endif
