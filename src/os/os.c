/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls themselves. See os.h for the contract.
 */
#include "os/os.h"

#include <sys/auxv.h>

#include "os/kernel.h"
#include "os/raw.h"

int (*fl_os_fault)(enum fl_os_call call, int detail);

#define FAULT(call, detail)                                                                                            \
	do {                                                                                                           \
		int fault = fl_unlikely(fl_os_fault != NULL) ? fl_os_fault(call, detail) : 0;                          \
		if (fault != 0)                                                                                        \
			return fault;                                                                                  \
	} while (0)

#define RAW(number, a, b, c, d, e, f) fl_raw(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static const char *const call_names[FL_OS_NCALLS] = {
	[FL_OS_MMAP] = "mmap",
	[FL_OS_MUNMAP] = "munmap",
	[FL_OS_MPROTECT] = "mprotect",
	[FL_OS_MADVISE] = "madvise",
	[FL_OS_MREMAP] = "mremap",
	[FL_OS_MBIND] = "mbind",
	[FL_OS_FALLOCATE] = "fallocate",
	[FL_OS_FTRUNCATE] = "ftruncate",
	[FL_OS_FSTAT] = "fstat",
	[FL_OS_FSTATFS] = "fstatfs",
	[FL_OS_MEMFD_CREATE] = "memfd_create",
	[FL_OS_OPEN] = "openat",
	[FL_OS_DUP] = "dup",
	[FL_OS_GETFL] = "fcntl",
	[FL_OS_READ] = "read",
	[FL_OS_WRITE] = "write",
	[FL_OS_GETRLIMIT] = "prlimit64",
	[FL_OS_PROCESS_VM_WRITEV] = "process_vm_writev",
	[FL_OS_IOCTL] = "ioctl",
	[FL_OS_LSEEK] = "lseek",
	[FL_OS_MINCORE] = "mincore",
	[FL_OS_PREAD] = "pread64",
	[FL_OS_FUTEX_OR] = "futex",
	[FL_OS_PROCESS_VM_READV] = "process_vm_readv",
	[FL_OS_USERFAULTFD] = "userfaultfd",
	[FL_OS_EVENTFD] = "eventfd2",
	[FL_OS_POLL] = "ppoll",
	[FL_OS_PWRITEV2] = "pwritev2",
	[FL_OS_FDATASYNC] = "fdatasync",
};

const char *fl_os_call_name(enum fl_os_call call)
{
	return call_names[call];
}

int fl_os_mmap(void **address, size_t length, int protection, int flags, int fd, uint64_t offset)
{
	FAULT(FL_OS_MMAP, protection);
	long result = RAW(SYS_mmap, *address, length, protection, flags, fd, offset);
	if (result < 0 && result > -4096)
		return (int)result;
	*address = (void *)result;
	return 0;
}

int fl_os_munmap(void *address, size_t length)
{
	FAULT(FL_OS_MUNMAP, 0);
	return (int)RAW(SYS_munmap, address, length, 0, 0, 0, 0);
}

int fl_os_mprotect(void *address, size_t length, int protection)
{
	FAULT(FL_OS_MPROTECT, protection);
	return (int)RAW(SYS_mprotect, address, length, protection, 0, 0, 0);
}

int fl_os_madvise(void *address, size_t length, int advice)
{
	FAULT(FL_OS_MADVISE, advice);
	return (int)RAW(SYS_madvise, address, length, advice, 0, 0, 0);
}

int fl_os_mremap_to(void *from, size_t from_length, size_t to_length, int flags, void *to)
{
	FAULT(FL_OS_MREMAP, 0);
	long result = RAW(SYS_mremap, from, from_length, to_length, flags | MREMAP_MAYMOVE | MREMAP_FIXED, to, 0);
	return result < 0 && result > -4096 ? (int)result : 0;
}

int fl_os_mremap(void *address, size_t from_length, size_t to_length)
{
	FAULT(FL_OS_MREMAP, 0);
	long result = RAW(SYS_mremap, address, from_length, to_length, 0, 0, 0);
	return result < 0 && result > -4096 ? (int)result : 0;
}

int fl_os_mincore(void *address, size_t length, unsigned char *pages)
{
	FAULT(FL_OS_MINCORE, 0);
	return (int)RAW(SYS_mincore, address, length, pages, 0, 0, 0);
}

int fl_os_mbind(void *address, size_t length, int node)
{
	unsigned long mask[16] = { 0 };

	FAULT(FL_OS_MBIND, 0);
	mask[(unsigned int)node / 64] = 1UL << ((unsigned int)node % 64);
	return (int)RAW(SYS_mbind, address, length, MPOL_BIND, mask, sizeof(mask) * 8, 0);
}

void fl_os_name_mapping(void *address, size_t length, const char *name)
{
	static bool refused;

	if (__atomic_load_n(&refused, __ATOMIC_RELAXED))
		return;
	long result = RAW(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, length, name, 0);
	if (result != 0)
		__atomic_store_n(&refused, true, __ATOMIC_RELAXED);
}

int fl_os_fallocate(int fd, int mode, uint64_t offset, uint64_t length)
{
	FAULT(FL_OS_FALLOCATE, mode);
	return (int)RAW(SYS_fallocate, fd, mode, offset, length, 0, 0);
}

int fl_os_ftruncate(int fd, uint64_t length)
{
	FAULT(FL_OS_FTRUNCATE, 0);
	return (int)RAW(SYS_ftruncate, fd, length, 0, 0, 0, 0);
}

int fl_os_fstat(int fd, struct stat *result)
{
	FAULT(FL_OS_FSTAT, 0);
	return (int)RAW(SYS_fstat, fd, result, 0, 0, 0, 0);
}

int fl_os_fstatfs(int fd, struct statfs *result)
{
	FAULT(FL_OS_FSTATFS, 0);
	return (int)RAW(SYS_fstatfs, fd, result, 0, 0, 0, 0);
}

int fl_os_memfd_create(const char *name, unsigned int flags)
{
	FAULT(FL_OS_MEMFD_CREATE, 0);
	return (int)RAW(SYS_memfd_create, name, flags, 0, 0, 0, 0);
}

int fl_os_open(const char *path, int flags, unsigned int mode)
{
	FAULT(FL_OS_OPEN, 0);
	return (int)RAW(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode, 0, 0);
}

int fl_os_dup(int fd)
{
	FAULT(FL_OS_DUP, 0);
	return (int)RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3, 0, 0, 0);
}

int fl_os_userfaultfd(int flags)
{
	FAULT(FL_OS_USERFAULTFD, flags);
	return (int)RAW(SYS_userfaultfd, flags | O_CLOEXEC, 0, 0, 0, 0, 0);
}

int fl_os_eventfd(void)
{
	FAULT(FL_OS_EVENTFD, 0);
	return (int)RAW(SYS_eventfd2, 0, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0);
}

int fl_os_poll(struct pollfd *files, size_t n, int milliseconds)
{
	struct timespec timeout = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };

	FAULT(FL_OS_POLL, 0);
	return (int)RAW(SYS_ppoll, files, n, milliseconds < 0 ? NULL : &timeout, NULL, 0, 0);
}

int fl_os_getfl(int fd)
{
	FAULT(FL_OS_GETFL, 0);
	return (int)RAW(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);
}

void fl_os_close(int fd)
{
	RAW(SYS_close, fd, 0, 0, 0, 0, 0);
}

void fl_os_unlink(const char *path)
{
	RAW(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}

ssize_t fl_os_read(int fd, void *buffer, size_t length)
{
	FAULT(FL_OS_READ, 0);
	return RAW(SYS_read, fd, buffer, length, 0, 0, 0);
}

ssize_t fl_os_write(int fd, const void *buffer, size_t length)
{
	FAULT(FL_OS_WRITE, 0);
	return RAW(SYS_write, fd, buffer, length, 0, 0, 0);
}

ssize_t fl_os_write_now(int fd, const void *buffer, size_t length)
{
	struct iovec part = { (void *)buffer, length };

	FAULT(FL_OS_PWRITEV2, 0);
	return RAW(SYS_pwritev2, fd, &part, 1, -1, -1, RWF_NOWAIT);
}

int fl_os_fdatasync(int fd)
{
	FAULT(FL_OS_FDATASYNC, 0);
	return (int)RAW(SYS_fdatasync, fd, 0, 0, 0, 0, 0);
}

ssize_t fl_os_pread(int fd, void *buffer, size_t length, uint64_t offset)
{
	FAULT(FL_OS_PREAD, 0);
	return RAW(SYS_pread64, fd, buffer, length, offset, 0, 0);
}

int64_t fl_os_lseek(int fd, uint64_t offset, int whence)
{
	FAULT(FL_OS_LSEEK, whence);
	return RAW(SYS_lseek, fd, offset, whence, 0, 0, 0);
}

long fl_os_ioctl(int fd, unsigned long request, void *argument)
{
	FAULT(FL_OS_IOCTL, (int)request);
	return RAW(SYS_ioctl, fd, request, argument, 0, 0, 0);
}

int fl_os_getrlimit(int resource, struct rlimit *result)
{
	FAULT(FL_OS_GETRLIMIT, 0);
	return (int)RAW(SYS_prlimit64, 0, resource, 0, result, 0, 0);
}

ssize_t fl_os_write_self(const struct iovec *from, size_t nfrom, const struct iovec *to, size_t nto)
{
	FAULT(FL_OS_PROCESS_VM_WRITEV, 0);
	long self = RAW(SYS_getpid, 0, 0, 0, 0, 0, 0);
	return RAW(SYS_process_vm_writev, self, from, nfrom, to, nto, 0);
}

ssize_t fl_os_read_self(const struct iovec *to, size_t nto, const struct iovec *from, size_t nfrom)
{
	FAULT(FL_OS_PROCESS_VM_READV, 0);
	long self = RAW(SYS_getpid, 0, 0, 0, 0, 0, 0);
	return RAW(SYS_process_vm_readv, self, to, nto, from, nfrom, 0);
}

/* The futex operation that changes a second word: here by or with 0. At worst it wakes one who waits for that word. */
int fl_os_rewrite_word(void *address)
{
	uint32_t unused = 0;
	uint32_t operation = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 1);

	FAULT(FL_OS_FUTEX_OR, 0);
	long result = RAW(SYS_futex, &unused, FUTEX_WAKE_OP_PRIVATE, 0, 0, address, operation);
	return result < 0 ? (int)result : 0;
}

int fl_os_futex_wait(uint32_t *word, uint32_t expected)
{
	return (int)RAW(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, 0, 0);
}

int fl_os_futex_wait_for(uint32_t *word, uint32_t expected, uint64_t milliseconds)
{
	struct timespec timeout = { (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000 };

	return (int)RAW(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &timeout, 0, 0);
}

void fl_os_futex_wake(uint32_t *word, int nwaiters)
{
	RAW(SYS_futex, word, FUTEX_WAKE_PRIVATE, nwaiters, 0, 0, 0);
}

int fl_os_futex_wait_shared(uint32_t *word, uint32_t expected, uint64_t milliseconds)
{
	struct timespec timeout = { (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000 };

	return (int)RAW(SYS_futex, word, FUTEX_WAIT, expected, &timeout, 0, 0);
}

void fl_os_futex_wake_shared(uint32_t *word, int nwaiters)
{
	RAW(SYS_futex, word, FUTEX_WAKE, nwaiters, 0, 0, 0);
}

void fl_os_yield(void)
{
	RAW(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

uint32_t fl_os_process_id(void)
{
	return (uint32_t)RAW(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

bool fl_os_is_first_thread(void)
{
	return RAW(SYS_gettid, 0, 0, 0, 0, 0, 0) == RAW(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t fl_os_clock_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC_COARSE);
}

uint64_t fl_os_clock_ms_exact(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t fl_os_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t fl_os_random(void)
{
	uint64_t value;

	if (RAW(SYS_getrandom, &value, sizeof(value), 1 /* GRND_NONBLOCK */, 0, 0, 0) == (long)sizeof(value))
		return value;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	value = (uint64_t)now.tv_nsec ^ (uintptr_t)&value ^ (uint64_t)getauxval(AT_RANDOM);
	return value * UINT64_C(0x9e3779b97f4a7c15);
}

size_t fl_os_nprocessors(void)
{
	unsigned long mask[64] = { 0 };
	size_t n = 0;

	if (RAW(SYS_sched_getaffinity, 0, sizeof(mask), mask, 0, 0, 0) < 0)
		return 1;
	for (size_t i = 0; i < FL_LENGTH(mask); i++)
		n += (size_t)__builtin_popcountl(mask[i]);
	return n;
}

size_t fl_os_page_size(void)
{
	return getauxval(AT_PAGESZ);
}

bool fl_os_secure(void)
{
	return getauxval(AT_SECURE) != 0;
}
