/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stretch of address space with a backing in it, and what the kernel says is there: pages in the page table, and blocks
 * of the file behind it. Uses must() (test/lib/place.h), so that it serves in children as well.
 */
#ifndef TEST_UNIT_SITE_H
#define TEST_UNIT_SITE_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing/backing.h"
#include "meta/claim.h"
#include "os/os.h"
#include "test/lib/place.h"

struct site {
	struct fl_backing backing;
	uintptr_t base;
	size_t length;
};

/* A backing of the options, mapped whole. */
static inline void site_open(struct site *site, const struct fl_backing_options *options, size_t length)
{
	site->length = length;
	must_equal(fl_backing_create(&site->backing, options), 0);
	must_equal(fl_claim_take(length, &site->base), 0);
	must_equal(fl_backing_activate(&site->backing, (void *)site->base, length, 0).reason, FALLOW_REASON_NONE);
}

static inline void site_close(struct site *site)
{
	munmap((void *)site->base, site->length);
	fl_backing_destroy(&site->backing);
	fl_claim_put(site->base, site->length);
}

static inline struct fl_failure site_populate(struct site *site, size_t offset, size_t length)
{
	return fl_backing_populate(&site->backing, site->backing.populate, (void *)(site->base + offset), length, offset);
}

static inline int site_discard(struct site *site, size_t offset, size_t length)
{
	return fl_backing_discard(&site->backing, (void *)(site->base + offset), length, offset);
}

/* Pages of the range that the page table has. */
static inline size_t site_pages(const struct site *site, size_t offset, size_t length)
{
	size_t page = fl_os_page_size(), npages = length / page, npresent = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	for (size_t i = 0; i < npages; i++) {
		uint64_t entry;
		must_equal(pread(fd, &entry, sizeof(entry), (off_t)((site->base + offset) / page + i) * 8), 8);
		npresent += entry >> 63;
	}
	close(fd);
	return npresent;
}

/* Bytes of storage that the file behind has. */
static inline size_t site_storage(const struct site *site)
{
	struct stat file;

	must_equal(fstat(site->backing.fd, &file), 0);
	return (size_t)file.st_blocks * 512;
}

static inline bool site_reads(const struct site *site, size_t offset, size_t length, unsigned char value)
{
	const unsigned char *bytes = (const unsigned char *)site->base + offset;

	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

static inline void site_write(struct site *site, size_t offset, size_t length, unsigned char value)
{
	memset((void *)(site->base + offset), value, length);
}

#endif
