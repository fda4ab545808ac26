/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel can do, by trying it on a page or two of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/hugepages.h"
#include "cli/scan.h"
#include "cli/text.h"

/* Newer than the C library's headers may be. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif
#define FEATURE_WP ((uint64_t)1 << 0)
#define FEATURE_WP_UNPOPULATED ((uint64_t)1 << 13)
#define FEATURE_WP_ASYNC ((uint64_t)1 << 15)

static void check_populate(struct fl_report *report)
{
	size_t length = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page != MAP_FAILED && madvise(page, length, MADV_POPULATE_WRITE) == 0) {
		fl_report_add(report, FL_OK, "kernel.populate", "MADV_POPULATE_WRITE works");
	} else {
		fl_report_add(report, FL_NOTE, "kernel.populate",
			      "MADV_POPULATE_WRITE does not work (%s): memory is brought in by slower calls", strerror(errno));
		fl_report_advise(report, "Linux 5.14 or newer, outside of filters of system calls");
	}
	if (page != MAP_FAILED)
		munmap(page, length);
}

/* 0 or errno of collapsing a unit that has one small page. */
static int try_collapse(size_t unit)
{
	char *memory = mmap(NULL, 2 * unit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory == MAP_FAILED)
		return errno;
	volatile char *whole = memory + (-(uintptr_t)memory & (unit - 1));
	*whole = 1;
	error = madvise((void *)whole, unit, MADV_COLLAPSE) == 0 ? 0 : errno;
	munmap(memory, 2 * unit);
	return error;
}

static void check_collapse(struct fl_report *report)
{
	uint64_t unit;
	int error = EOPNOTSUPP;

	if (fl_file_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", &unit))
		error = try_collapse(unit);
	if (error == 0) {
		fl_report_add(report, FL_OK, "kernel.collapse",
			      "MADV_COLLAPSE works: near a cgroup's limit memory comes in without the OOM killer");
		return;
	}
	fl_report_add(report, FL_NOTE, "kernel.collapse",
		      "MADV_COLLAPSE does not work (%s): near a cgroup's limit requests are refused by estimate", strerror(error));
	if (error == ENOMEM || error == EBUSY || error == EAGAIN)
		fl_report_advise(report, "there was no whole free huge page at this moment; more free memory");
	else
		fl_report_advise(report, "Linux 6.1 or newer, with transparent huge pages");
}

static void check_scan(struct fl_report *report)
{
	size_t length = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	static char page;
	struct fl_scan_range range;
	uint64_t start = (uintptr_t)&page & -(uint64_t)length;
	struct fl_scan scan = { .size = sizeof(scan), .start = start, .end = start + length, .vec = (uintptr_t)&range,
			     .vec_len = 1, .category_mask = FL_SCAN_PRESENT, .return_mask = FL_SCAN_PRESENT };

	*(volatile char *)&page = 1;
	if (fd >= 0 && ioctl(fd, FL_SCAN, &scan) == 1) {
		fl_report_add(report, FL_OK, "kernel.scan", "PAGEMAP_SCAN works");
	} else {
		fl_report_add(report, FL_NOTE, "kernel.scan",
			      "PAGEMAP_SCAN does not work (%s): no tracking of written pages, slower residency",
			      strerror(errno));
		fl_report_advise(report, "Linux 6.7 or newer, with /proc mounted");
	}
	if (fd >= 0)
		close(fd);
}

static void check_userfaultfd(struct fl_report *report)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	const char *subject = "kernel.userfaultfd";

	if (fd < 0) {
		fl_report_add(report, FL_NOTE, subject, "userfaultfd: %s: no snapshots, no tracking of written pages",
			      strerror(errno));
		fl_report_advise(report, "a kernel with CONFIG_USERFAULTFD, outside of filters of system calls");
	} else if (ioctl(fd, UFFDIO_API, &api) != 0 || !(api.features & FEATURE_WP)) {
		fl_report_add(report, FL_NOTE, subject, "userfaultfd has no write protection: no snapshots");
		fl_report_advise(report, "Linux 5.7 or newer on a processor that the kernel can do it on");
	} else if ((api.features & FEATURE_WP_ASYNC) && (api.features & FEATURE_WP_UNPOPULATED)) {
		fl_report_add(report, FL_OK, subject,
			      "userfaultfd write-protects, asynchronously and unpopulated memory too");
	} else {
		fl_report_add(report, FL_NOTE, subject,
			      "userfaultfd write-protects, but not asynchronously: snapshots, no tracking of written pages");
		fl_report_advise(report, "Linux 6.7 or newer");
	}
	if (fd >= 0)
		close(fd);
}

/* Who takes snapshots waits for the faults of system calls as well, to which not everybody has a right. */
static void check_snapshots(struct fl_report *report)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), error = errno;
	int device = fd < 0 && error == EPERM ? open("/dev/userfaultfd", O_RDWR | O_CLOEXEC) : -1;

	if (device >= 0) {
		fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
		close(device);
	}
	if (fd >= 0) {
		fl_report_add(report, FL_OK, "kernel.snapshots", "this user may take snapshots");
		close(fd);
	} else if (error == EPERM) {
		fl_report_add(report, FL_NOTE, "kernel.snapshots",
			      "this user may not take snapshots, nor fork programs with threads on huge pages that the pool cannot "
			      "give twice");
		fl_report_advise(report, "access to /dev/userfaultfd, or CAP_SYS_PTRACE, or as root: sysctl "
					 "vm.unprivileged_userfaultfd=1");
	}
}

void fl_doctor_kernel(struct fl_report *report)
{
	struct utsname name;

	uname(&name);
	fl_report_add(report, FL_OK, "kernel.version", "Linux %s on %s", name.release, name.machine);
	check_populate(report);
	check_collapse(report);
	check_scan(report);
	check_userfaultfd(report);
	check_snapshots(report);
}
