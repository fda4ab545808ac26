/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of a mapping are there, page by page, as /proc/self/pagemap tells it.
 */
#ifndef TEST_KERNEL_RESIDENCY_H
#define TEST_KERNEL_RESIDENCY_H

#include <stddef.h>
#include <stdint.h>

/* Of the mappings of one path (file, memfd, huge pages) that lie side by side around an address. */
struct residency {
	uintptr_t start;
	size_t npages;        /* of 4 KiB, also where the mapping's pages are larger */
	size_t npresent;
	unsigned char *pages; /* one for each: 1 present, 0 not */
};

/* Take a picture around address. Allocates nothing from a heap; at most RESIDENCY_MAX bytes of mappings. */
#define RESIDENCY_MAX ((size_t)1 << 30)
void residency_take(struct residency *residency, const void *address);

/* Every page that is in both pictures is the same, and pages that are in one only are not present. */
void residency_must_be_same(const struct residency *before, const struct residency *after);

void residency_drop(struct residency *residency);

#endif
