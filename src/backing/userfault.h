/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User faults (userfaultfd): threads that write to a protected page, or touch a missing one, of a registered range wait
 * in the kernel until somebody lets them go on. System calls that touch such pages wait as well.
 *
 * Only what is there is ever protected: a page that is missing is known by its missing fault. So nothing here costs page
 * tables for what is merely reserved, and no marker stays in the place of a missing page.
 *
 * Whoever serves faults must not touch a registered range itself. All calls return 0 or -errno.
 */
#ifndef FL_BACKING_USERFAULT_H
#define FL_BACKING_USERFAULT_H

#include "base/base.h"

struct fl_userfault {
	uintptr_t address;
	bool missing; /* else protected */
};

/*
 * With a userfaultfd just opened, or what refused it: ask for features, of which the kernel has all or refuses all. The
 * descriptor, or -errno and it is closed. Before anything else is done with it, and once.
 */
int fl_userfault_agree(int fd, uint64_t features);

/* The descriptor, not blocking; -EPERM; -EOPNOTSUPP: no such kernel; -EMFILE, -ENFILE, -ENOMEM. */
int fl_userfault_open(void);

/*
 * Make a range, whole mappings, stop threads at what is missing in it. Faults that are under way are over on return.
 * -EBUSY: somebody else's; -EOPNOTSUPP: the kernel cannot protect this kind of mapping.
 */
int fl_userfault_register(int fd, uintptr_t address, size_t length);

/* No faults on the range from now on, nothing in it protected; those who wait go on. */
int fl_userfault_forget(int fd, uintptr_t address, size_t length);

/* Protect what is there. Every write that is not stopped came before the return. */
int fl_userfault_protect(int fd, uintptr_t address, size_t length);

/* Let threads write, and those who wait go on. What is not registered any more does not matter. */
int fl_userfault_unprotect(int fd, uintptr_t address, size_t length);

/* Let those go on who wait for a range that has been mapped anew. */
void fl_userfault_wake(int fd, uintptr_t address, size_t length);

/*
 * Put a zero page where one is missing, and let those who wait go on. -EEXIST: it is not missing, or protected; they
 * wait. Not for huge pages: -EINVAL.
 */
int fl_userfault_zero(int fd, uintptr_t address, size_t length);

/*
 * The same, protected, also where protection without a page is in the way of the other (6.18): -EEXIST: there is a page. For
 * pages of 64 KiB at most: -EINVAL.
 */
int fl_userfault_zero_protected(int fd, uintptr_t address, size_t length);

/* The next faults, at most n: how many, or -errno; -EAGAIN: none now. */
int fl_userfault_read(int fd, struct fl_userfault *faults, size_t n);

#endif
