/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PAGEMAP_SCAN (Linux 6.7) as linux/fs.h has it; the headers of older systems lack it.
 */
#ifndef FL_CLI_SCAN_H
#define FL_CLI_SCAN_H

#include <stdint.h>
#include <sys/ioctl.h>

struct fl_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct fl_scan_range {
	uint64_t start, end, categories;
};

#define FL_SCAN _IOWR('f', 16, struct fl_scan)
#define FL_SCAN_PRESENT ((uint64_t)1 << 3)
#define FL_SCAN_SWAPPED ((uint64_t)1 << 4)
#define FL_SCAN_ZERO ((uint64_t)1 << 5)
#define FL_SCAN_HUGE ((uint64_t)1 << 6)

#endif
