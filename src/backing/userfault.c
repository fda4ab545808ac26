/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctls of userfaultfd. Looked at on Linux 6.18.
 */
#include "backing/userfault.h"

#include <errno.h>

#include "os/kernel.h"
#include "os/os.h"

#define NMESSAGES 16

#define FEATURES                                                                                                       \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS |                \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

/* Without shared memory and huge pages, for kernels before 5.19. */
#define FEATURES_ANONYMOUS UFFD_FEATURE_PAGEFAULT_FLAG_WP

/* The device is for those to whom an administrator has given it. */
static int open_any(void)
{
	int fd = fl_os_userfaultfd(O_NONBLOCK);
	int device = fd == -EPERM ? fl_os_open("/dev/userfaultfd", O_RDWR, 0) : -1;

	if (device >= 0) {
		fd = (int)fl_os_ioctl(device, USERFAULTFD_IOC_NEW, (void *)(uintptr_t)(O_CLOEXEC | O_NONBLOCK));
		fl_os_close(device);
	}
	return fd == -ENOSYS ? -EOPNOTSUPP : fd;
}

int fl_userfault_agree(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	if (fd < 0)
		return fd;
	int result = (int)fl_os_ioctl(fd, UFFDIO_API, &api);
	if (result == 0)
		return fd;
	fl_os_close(fd);
	return result;
}

static int open_with(uint64_t features)
{
	int fd = fl_userfault_agree(open_any(), features);

	return fd == -EINVAL ? -EOPNOTSUPP : fd;
}

int fl_userfault_open(void)
{
	int fd = open_with(FEATURES);

	return fd == -EOPNOTSUPP ? open_with(FEATURES_ANONYMOUS) : fd;
}

int fl_userfault_register(int fd, uintptr_t address, size_t length)
{
	struct uffdio_register range = { .range = { address, length },
					 .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP };
	int result = (int)fl_os_ioctl(fd, UFFDIO_REGISTER, &range);

	if (result == 0 && !(range.ioctls & (UINT64_C(1) << _UFFDIO_WRITEPROTECT))) {
		fl_userfault_forget(fd, address, length);
		result = -EINVAL;
	}
	return result == -EINVAL ? -EOPNOTSUPP : result;
}

/*
 * The kernel wakes those who wait before it takes the range off its books: who comes in between, under the lock of the
 * mapping alone, sleeps on for nobody to wake it (6.18). Hence once more, after.
 */
int fl_userfault_forget(int fd, uintptr_t address, size_t length)
{
	struct uffdio_range range = { address, length };
	int result = (int)fl_os_ioctl(fd, UFFDIO_UNREGISTER, &range);

	fl_os_ioctl(fd, UFFDIO_WAKE, &(struct uffdio_range){ address, length });
	return result;
}

static int write_protect(int fd, uintptr_t address, size_t length, uint64_t mode)
{
	struct uffdio_writeprotect range = { { address, length }, mode };

	return (int)fl_os_ioctl(fd, UFFDIO_WRITEPROTECT, &range);
}

int fl_userfault_protect(int fd, uintptr_t address, size_t length)
{
	return write_protect(fd, address, length, UFFDIO_WRITEPROTECT_MODE_WP);
}

int fl_userfault_unprotect(int fd, uintptr_t address, size_t length)
{
	int result = write_protect(fd, address, length, 0);

	return result == -ENOENT ? 0 : result;
}

void fl_userfault_wake(int fd, uintptr_t address, size_t length)
{
	struct uffdio_range range = { address, length };

	fl_os_ioctl(fd, UFFDIO_WAKE, &range);
}

int fl_userfault_zero(int fd, uintptr_t address, size_t length)
{
	struct uffdio_zeropage zero = { .range = { address, length } };
	int result = (int)fl_os_ioctl(fd, UFFDIO_ZEROPAGE, &zero);

	return result == -ENOENT ? 0 : result;
}

int fl_userfault_zero_protected(int fd, uintptr_t address, size_t length)
{
	static char zeros[64 * FL_KIB]; /* never written: no memory */
	struct uffdio_copy copy = { address, (uintptr_t)zeros, length, UFFDIO_COPY_MODE_WP, 0 };

	if (length > sizeof(zeros))
		return -EINVAL;
	int result = (int)fl_os_ioctl(fd, UFFDIO_COPY, &copy);
	return result == -ENOENT ? 0 : result;
}

int fl_userfault_read(int fd, struct fl_userfault *faults, size_t n)
{
	struct uffd_msg messages[NMESSAGES];
	ssize_t got = fl_os_read(fd, messages, fl_min(n, NMESSAGES) * sizeof(messages[0]));
	int nfaults = 0;

	if (got < 0)
		return (int)got;
	for (size_t i = 0; i < (size_t)got / sizeof(messages[0]); i++) {
		if (messages[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		faults[nfaults++] = (struct fl_userfault){
			.address = messages[i].arg.pagefault.address,
			.missing = !(messages[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP),
		};
	}
	return nfaults;
}
