/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See inject.h. Nothing here allocates, so that what it looks at is not changed by looking.
 */
#include "test/fault/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "extent/region.h"
#include "meta/meta.h"

#define NFDS_LOOKED_AT 512

static __thread bool armed;

static struct {
	struct fault fault;
	unsigned long count;
	bool struck[FL_OS_NCALLS];
} injection;

/* The way each call is most likely to fail. */
static const int errors[FL_OS_NCALLS] = {
	[FL_OS_MMAP] = -ENOMEM,
	[FL_OS_MUNMAP] = -ENOMEM,
	[FL_OS_MPROTECT] = -ENOMEM,
	[FL_OS_MADVISE] = -EFAULT,
	[FL_OS_MREMAP] = -ENOMEM,
	[FL_OS_MBIND] = -EIO,
	[FL_OS_FALLOCATE] = -ENOSPC,
	[FL_OS_FTRUNCATE] = -ENOSPC,
	[FL_OS_FSTAT] = -EIO,
	[FL_OS_FSTATFS] = -EIO,
	[FL_OS_MEMFD_CREATE] = -EMFILE,
	[FL_OS_OPEN] = -EMFILE,
	[FL_OS_DUP] = -EMFILE,
	[FL_OS_GETFL] = -EBADF,
	[FL_OS_READ] = -EIO,
	[FL_OS_WRITE] = -EIO,
	[FL_OS_GETRLIMIT] = -EPERM,
	[FL_OS_PROCESS_VM_WRITEV] = -EFAULT,
	[FL_OS_IOCTL] = -ENOTTY,
	[FL_OS_LSEEK] = -EINVAL,
	[FL_OS_MINCORE] = -EAGAIN,
	[FL_OS_PREAD] = -EIO,
	[FL_OS_FUTEX_OR] = -EFAULT,
	[FL_OS_PROCESS_VM_READV] = -EFAULT,
	[FL_OS_USERFAULTFD] = -EMFILE,
	[FL_OS_EVENTFD] = -EMFILE,
	[FL_OS_POLL] = -ENOMEM,
	[FL_OS_PWRITEV2] = -EIO,
	[FL_OS_FDATASYNC] = -EIO,
};

static int answer(enum fl_os_call call, int detail)
{
	(void)detail;
	if (!armed)
		return 0;
	if (injection.fault.kind != INJECT_ANY && call != injection.fault.kind)
		return 0;
	unsigned long count = ++injection.count;
	if (count != injection.fault.nth && !(injection.fault.for_good && count > injection.fault.nth))
		return 0;
	injection.struck[call] = true;
	return errors[call];
}

void inject_prepare(void)
{
	fl_os_fault = answer;
}

void inject(struct fault fault)
{
	injection.fault = fault;
	injection.count = 0;
	memset(injection.struck, 0, sizeof(injection.struck));
	armed = true;
}

unsigned long inject_end(void)
{
	armed = false;
	return injection.count;
}

bool inject_struck(int error)
{
	for (size_t call = 0; call < FL_OS_NCALLS; call++) {
		if (injection.struck[call] && errors[call] == error)
			return true;
	}
	return false;
}

bool inject_struck_munmap(void)
{
	return injection.struck[FL_OS_MUNMAP];
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether claims lie there: below where programs are loaded, or between them and what the kernel places. */
static bool is_claim_territory(uintptr_t address, uintptr_t top)
{
	uintptr_t sixteenth = top / 16;

	return (address >= sixteenth && address < 10 * sixteenth) ||
	       (address >= 11 * sixteenth && address < top - sixteenth / 2);
}

/* Add up the lines "start-end ..." of /proc/self/maps, read piece by piece. */
static size_t mapped_in_claims(void)
{
	static char text[4096];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), state = 0;
	uintptr_t bounds[2] = { 0, 0 }, top = (uintptr_t)&fd;
	size_t sum = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			int digit = hex_digit(text[i]);

			if (state < 2 && digit >= 0) {
				bounds[state] = bounds[state] << 4 | (uintptr_t)digit;
			} else if (state < 2) {
				state++;
			}
			if (text[i] == '\n') {
				if (is_claim_territory(bounds[0], top))
					sum += bounds[1] - bounds[0];
				bounds[0] = bounds[1] = 0;
				state = 0;
			}
		}
	}
	close(fd);
	return sum;
}

struct holdings holdings_now(void)
{
	struct holdings now = { .mapped = mapped_in_claims(), .metadata = fl_meta_mapped() };

	for (int fd = 0; fd < NFDS_LOOKED_AT; fd++)
		now.nfds += fcntl(fd, F_GETFD) != -1;
	for (const struct fl_region *region = NULL; (region = fl_region_next(region)) != NULL;)
		now.nregions++;
	return now;
}
