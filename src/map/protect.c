/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests themselves. User mode only is enough, as nobody waits for a fault to be resolved: so no privileges are
 * needed.
 */
#include "map/protect.h"

#include <errno.h>

#include "backing/userfault.h"
#include "os/os.h"

#define FEATURES                                                                                                       \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED |              \
	 UFFD_FEATURE_WP_ASYNC)
#define NRETRIES 16

/* Kernels, security modules and container runtimes have many ways to say that they do not have something. */
static int refusal(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ? error : -EOPNOTSUPP;
}

/* The file is opened for each scan: programs close descriptors as if all were theirs. */
static int scan(struct fl_scan request, fl_scan_fn *fn, void *context)
{
	int fd = fl_os_open("/proc/thread-self/pagemap", O_RDONLY, 0);

	if (fd < 0)
		return fd;
	int result = fl_pagemap_scan(fd, request, fn, context);
	fl_os_close(fd);
	/* Not registered, or not any more. */
	return result == -EPERM ? -EBADF : result;
}

static int check(const struct fl_protect *p)
{
	struct stat file;
	int result = fl_os_fstat(p->fd, &file);

	return result != 0 ? result : file.st_ino == p->inode && file.st_dev == p->device ? 0 : -EBADF;
}

/* An empty range: refused by kernels that have no such request. */
static int probe_scan(void)
{
	struct fl_scan request = { .size = sizeof(request) };
	int fd = fl_os_open("/proc/thread-self/pagemap", O_RDONLY, 0);

	if (fd < 0)
		return fd;
	int result = (int)fl_os_ioctl(fd, FL_SCAN, &request);
	fl_os_close(fd);
	return result;
}

int fl_protect_open(struct fl_protect *p)
{
	struct stat file;

	p->fd = fl_userfault_agree(fl_os_userfaultfd(UFFD_USER_MODE_ONLY), FEATURES);
	if (p->fd < 0)
		return refusal(p->fd);
	int result = fl_os_fstat(p->fd, &file);
	if (result == 0)
		result = probe_scan();
	if (result != 0) {
		fl_os_close(p->fd);
		return refusal(result);
	}
	p->inode = file.st_ino;
	p->device = file.st_dev;
	return 0;
}

void fl_protect_close(struct fl_protect *p)
{
	if (check(p) == 0)
		fl_os_close(p->fd);
}

int fl_protect_enter(const struct fl_protect *p, uintptr_t start, size_t length)
{
	struct uffdio_register request = { .range = { start, length }, .mode = UFFDIO_REGISTER_MODE_WP };
	int result = check(p);

	if (result == 0)
		result = (int)fl_os_ioctl(p->fd, UFFDIO_REGISTER, &request);
	return result == 0 || result == -EBUSY || result == -EBADF ? result : refusal(result);
}

void fl_protect_leave(const struct fl_protect *p, uintptr_t start, size_t length)
{
	struct uffdio_range range = { start, length };

	if (check(p) == 0)
		fl_os_ioctl(p->fd, UFFDIO_UNREGISTER, &range);
}

static int write_protect(const struct fl_protect *p, uintptr_t start, size_t length, uint64_t mode)
{
	struct uffdio_writeprotect request = { .range = { start, length }, .mode = mode };
	int result = check(p);

	if (result != 0)
		return result;
	result = -EAGAIN;
	for (int i = 0; i < NRETRIES && result == -EAGAIN; i++)
		result = (int)fl_os_ioctl(p->fd, UFFDIO_WRITEPROTECT, &request);
	return result;
}

int fl_protect_arm(const struct fl_protect *p, uintptr_t start, size_t length)
{
	return write_protect(p, start, length, UFFDIO_WRITEPROTECT_MODE_WP);
}

int fl_protect_disarm(const struct fl_protect *p, uintptr_t start, size_t length)
{
	return write_protect(p, start, length, 0);
}

/* What is written, and there. */
static struct fl_scan written(uintptr_t start, uintptr_t end)
{
	return (struct fl_scan){
		.start = start,
		.end = end,
		.flags = FL_SCAN_TRACKED,
		.category_mask = FL_SCAN_WRITTEN,
		.category_anyof_mask = FL_SCAN_PRESENT | FL_SCAN_SWAPPED,
		.return_mask = FL_SCAN_PRESENT | FL_SCAN_ZERO | FL_SCAN_FILE,
	};
}

static bool keep_start(void *context, const struct fl_scan_range *range)
{
	uintptr_t *at = context;

	*at = range->start;
	return false;
}

static int find(struct fl_scan request, uintptr_t *at)
{
	*at = request.end;
	request.max_pages = 1;
	return request.start < request.end ? scan(request, keep_start, at) : 0;
}

int fl_protect_next(uintptr_t start, uintptr_t end, uintptr_t *at)
{
	return find(written(start, end), at);
}

/* With these masks and no others the kernel goes through a page table without asking what is in it. */
int fl_protect_next_written(uintptr_t start, uintptr_t end, uintptr_t *at)
{
	struct fl_scan request = written(start, end);

	request.category_anyof_mask = 0;
	request.return_mask = FL_SCAN_WRITTEN;
	return find(request, at);
}

int fl_protect_take(uintptr_t start, uintptr_t end, fl_scan_fn *fn, void *context)
{
	struct fl_scan request = written(start, end);

	request.flags |= FL_SCAN_PROTECT;
	return scan(request, fn, context);
}

int fl_protect_absent(uintptr_t start, uintptr_t end, fl_scan_fn *fn, void *context)
{
	const struct fl_scan request = {
		.start = start,
		.end = end,
		.category_inverted = FL_SCAN_PRESENT | FL_SCAN_SWAPPED,
		.category_mask = FL_SCAN_WRITTEN | FL_SCAN_PRESENT | FL_SCAN_SWAPPED,
		.return_mask = FL_SCAN_WRITTEN,
	};

	return scan(request, fn, context);
}

int fl_protect_borrowed(uintptr_t start, uintptr_t end, fl_scan_fn *fn, void *context)
{
	const struct fl_scan request = {
		.start = start,
		.end = end,
		.category_mask = FL_SCAN_PRESENT,
		.category_anyof_mask = FL_SCAN_ZERO | FL_SCAN_FILE,
		.return_mask = FL_SCAN_WRITTEN,
	};

	return scan(request, fn, context);
}
