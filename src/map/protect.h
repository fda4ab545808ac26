/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Write protection that the kernel takes away by itself at the first write (userfaultfd in WP_ASYNC mode, Linux 6.7): a
 * page that was armed and is not any more was written.
 *
 * Ranges are whole pages of the mapping. What is armed stays so when it goes to swap or out of the page table of a file.
 * Anonymous memory that is discarded is not armed any more; shared memory is. A write through another mapping, or by
 * write(2) to the file, is not seen.
 *
 * Arming what is not there takes page tables, a page for 2 MiB: nothing here does so unless it is asked to. Guard pages
 * cannot be installed over what is armed, on anything but anonymous memory: the kernel would try for ever.
 */
#ifndef FL_MAP_PROTECT_H
#define FL_MAP_PROTECT_H

#include "map/pagemap.h"

struct fl_protect {
	int fd;          /* a userfaultfd: that of the process that opened it, whoever has a copy */
	uint64_t inode;  /* by which a file that has taken the descriptor's number is known for another */
	uint64_t device;
};

/*
 * 0; -EOPNOTSUPP: not with this kernel or these privileges; -EMFILE, -ENFILE, -ENOMEM. When the program closes the
 * descriptor, nothing is registered any more: all calls below then answer -EBADF.
 */
int fl_protect_open(struct fl_protect *protect);

/* What is registered stays so while a child of fork has a copy of the descriptor: leave it first. */
void fl_protect_close(struct fl_protect *protect);

/* Make a mapping one that can be armed, and no longer one. 0, -ENOMEM, or -EBUSY: another userfaultfd has it. */
int fl_protect_enter(const struct fl_protect *protect, uintptr_t start, size_t length);
void fl_protect_leave(const struct fl_protect *protect, uintptr_t start, size_t length);

/* Arm a range, whatever is there; and no longer, so that all of it counts as written. 0 or -errno. */
int fl_protect_arm(const struct fl_protect *protect, uintptr_t start, size_t length);
int fl_protect_disarm(const struct fl_protect *protect, uintptr_t start, size_t length);

/* The first address of [start, end) that fl_protect_take() would tell of; end when there is none. 0 or -errno. */
int fl_protect_next(uintptr_t start, uintptr_t end, uintptr_t *at);

/* The same for what is not armed, be it there or not; much faster. */
int fl_protect_next_written(uintptr_t start, uintptr_t end, uintptr_t *at);

/*
 * Tell of what is not armed and is present or in swap, and arm it, in one step for each page. Guard pages are told of as
 * swap, once.
 */
int fl_protect_take(uintptr_t start, uintptr_t end, fl_scan_fn *fn, void *context);

/* Tell of what is neither armed nor present nor in swap: never touched, or touched, and then dropped by the kernel. */
int fl_protect_absent(uintptr_t start, uintptr_t end, fl_scan_fn *fn, void *context);

/* Tell of what is present, for reading only: the zero page, and pages of a file that is mapped privately. */
int fl_protect_borrowed(uintptr_t start, uintptr_t end, fl_scan_fn *fn, void *context);

#endif
