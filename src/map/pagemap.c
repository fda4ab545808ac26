/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PAGEMAP_SCAN (6.7), which skips what is not there, and on older kernels an entry a page of /proc/thread-self/pagemap.
 *
 * The file is opened for each walk: a descriptor kept would show the parent's memory in a child of fork.
 */
#include "map/pagemap.h"

#include <errno.h>

#include "os/os.h"

#define NRANGES 64
#define NENTRIES 512
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)

struct walk {
	int fd;
	uintptr_t start;
	size_t length;
	fl_pagemap_fn *fn;
	void *context;
};

static unsigned int states_of(uint64_t categories)
{
	unsigned int states = 0;

	if (categories & FL_SCAN_PRESENT)
		states |= FALLOW_PAGE_POPULATED;
	if (categories & FL_SCAN_ZERO)
		states |= FALLOW_PAGE_ZERO;
	if ((categories & FL_SCAN_HUGE) && (categories & FL_SCAN_PRESENT))
		states |= FALLOW_PAGE_HUGE;
	if (categories & FL_SCAN_SWAPPED)
		states |= FALLOW_PAGE_SWAPPED;
	return states;
}

/*
 * The end that a scan reports can be stale: what says that it is complete is that it fills fewer ranges than it has.
 */
int fl_pagemap_scan(int fd, struct fl_scan scan, fl_scan_fn *fn, void *context)
{
	struct fl_scan_range ranges[NRANGES] = { 0 }; /* memcheck knows of no request that fills them in */
	long n = NRANGES;

	scan.size = sizeof(scan);
	scan.ranges = (uintptr_t)ranges;
	scan.nranges = NRANGES;
	for (; n == NRANGES && scan.start < scan.end; scan.start = ranges[NRANGES - 1].end) {
		n = fl_os_ioctl(fd, FL_SCAN, &scan);
		if (n < 0)
			return (int)n;
		for (long i = 0; i < n; i++) {
			if (!fn(context, &ranges[i]))
				return 0;
		}
	}
	return 0;
}

static bool pass_on(void *context, const struct fl_scan_range *range)
{
	const struct walk *walk = context;

	return walk->fn(walk->context, range->start - walk->start, range->end - walk->start,
			states_of(range->categories));
}

static int walk_by_scan(struct walk *walk)
{
	const struct fl_scan scan = {
		.start = walk->start,
		.end = walk->start + walk->length,
		.category_anyof_mask = FL_SCAN_PRESENT | FL_SCAN_SWAPPED,
		.return_mask = FL_SCAN_PRESENT | FL_SCAN_SWAPPED | FL_SCAN_ZERO | FL_SCAN_HUGE,
	};

	return fl_pagemap_scan(walk->fd, scan, pass_on, walk);
}

static unsigned int states_of_entry(uint64_t entry)
{
	return (entry & ENTRY_PRESENT ? FALLOW_PAGE_POPULATED : 0) | (entry & ENTRY_SWAPPED ? FALLOW_PAGE_SWAPPED : 0);
}

static int walk_by_entry(const struct walk *walk)
{
	size_t page = fl_os_page_size(), npages = walk->length / page;
	uint64_t entries[NENTRIES];

	for (size_t i = 0, n; i < npages; i += n) {
		n = fl_min(npages - i, NENTRIES);
		ssize_t got = fl_os_pread(walk->fd, entries, n * sizeof(entries[0]),
					  (walk->start / page + i) * sizeof(entries[0]));
		if (got != (ssize_t)(n * sizeof(entries[0])))
			return got < 0 ? (int)got : -EIO;
		for (size_t j = 0; j < n; j++) {
			unsigned int states = states_of_entry(entries[j]);
			if (states && !walk->fn(walk->context, (i + j) * page, (i + j + 1) * page, states))
				return 0;
		}
	}
	return 0;
}

int fl_pagemap_walk(uintptr_t start, size_t length, fl_pagemap_fn *fn, void *context)
{
	struct walk walk = { fl_os_open("/proc/thread-self/pagemap", O_RDONLY, 0), start, length, fn, context };

	if (walk.fd < 0)
		return walk.fd;
	int result = walk_by_scan(&walk);
	if (result == -ENOTTY)
		result = walk_by_entry(&walk);
	fl_os_close(walk.fd);
	return result;
}
