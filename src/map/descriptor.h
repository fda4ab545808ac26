/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors that are ours and in a program that may close every descriptor it does not know: its next file then has our
 * number. So whoever reads, writes or closes one asks first whether it still is what it was.
 */
#ifndef FL_MAP_DESCRIPTOR_H
#define FL_MAP_DESCRIPTOR_H

#include "base/base.h"

struct fl_descriptor {
	int fd;
	uint64_t device;
	uint64_t inode;
};

/* Keep fd, or the -errno that it is instead: 0 or -errno, with nothing open after a failure. */
int fl_descriptor_keep(struct fl_descriptor *descriptor, int fd);

/* As far as the kernel says. Whoever closes and opens descriptors at this very moment is not found out. */
bool fl_descriptor_is_ours(const struct fl_descriptor *descriptor);

void fl_descriptor_close(const struct fl_descriptor *descriptor);

#endif
