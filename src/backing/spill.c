/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting ordinary memory in the place of private huge pages, with what they hold.
 *
 *     a run of huge pages      P P P          threads may read them, and wait when they write (userfaultfd)
 *     a copy of it elsewhere   c c c          huge pages of ordinary memory, by the path that nobody is killed for
 *     mremap over it           c c c          the huge pages are back in the pool; who waits writes to the copy
 *
 * Who does not go through the page table is not held up: a device that is reading into these pages at the moment
 * (O_DIRECT) goes on to do so in the old ones. The kernel knows such pages, and we cannot ask it.
 *
 * Seen on 6.18: mremap and mmap over a part of a huge mapping split it at page bounds; a page that is replaced loses its
 * protection with its mapping, but who waits must be woken.
 */
#include <errno.h>

#include "backing/backing.h"
#include "backing/userfault.h"
#include "base/poison.h"
#include "os/kernel.h"
#include "os/os.h"

/* Writers wait for as much to be copied. */
#define RUN (8 * FL_MIB)

/* Ordinary memory comes in huge pages of this size where it can. */
#define UNIT FL_COLLAPSED_SIZE

/* Of a page that is ordinary memory, another part can be remapped than the whole. */
static bool is_pooled(const struct fl_backing *b, char *page)
{
	size_t base_page = fl_os_page_size();
	unsigned char resident = 0;

	if (fl_os_mincore(page, base_page, &resident) != 0 || !(resident & 1))
		return false;
	return b->page_size > base_page && fl_os_mremap(page + base_page, base_page, base_page) != 0;
}

/* Bits of /proc/PID/pagemap. */
#define MAPPED_ONCE (UINT64_C(1) << 56)
#define PRESENT (UINT64_C(1) << 63)

size_t fl_backing_count_shared(const struct fl_backing *b, void *address, size_t length)
{
	size_t n = 0, base_page = fl_os_page_size();
	int pagemap = fl_os_open("/proc/thread-self/pagemap", O_RDONLY, 0);

	for (char *page = address, *end = page + length; pagemap >= 0 && page < end; page += b->page_size) {
		uint64_t entry = 0;
		uint64_t at = (uintptr_t)page / base_page * sizeof(entry);
		if (fl_os_pread(pagemap, &entry, sizeof(entry), at) == sizeof(entry) && (entry & PRESENT) &&
		    !(entry & MAPPED_ONCE))
			n += is_pooled(b, page);
	}
	if (pagemap >= 0)
		fl_os_close(pagemap);
	return n;
}

size_t fl_backing_count_pooled(const struct fl_backing *b, void *address, size_t length)
{
	size_t n = 0;

	for (char *page = address, *end = page + length; page < end; page += b->page_size)
		n += is_pooled(b, page);
	return n;
}

/* Ordinary memory for length bytes at place. By proof where this kernel has it: then a memory cgroup can only say no. */
static int bring_in(char *place, size_t length)
{
	const struct fl_backing ordinary = { .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1, .page_size = fl_os_page_size() };

	fl_os_madvise(place, length, MADV_HUGEPAGE);
	for (size_t done = 0; done < length; done += UNIT) {
		size_t n = fl_min(UNIT, length - done);
		int result = n == UNIT ? fl_backing_prove(&ordinary, place + done, n, place + done) : -EOPNOTSUPP;
		if (result == -EOPNOTSUPP)
			result = fl_backing_bring_in(&ordinary, FALLOW_POPULATE_WRITE, place + done, n, 0).error;
		if (result != 0)
			return result;
	}
	return 0;
}

/* A place for length bytes, aligned for huge pages; all of what was mapped for it is [*mapped, *mapped + length + UNIT). */
static int map_place(const struct fl_backing *b, size_t length, void **mapped, char **place)
{
	int result = fl_os_mmap(mapped, length + UNIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (result != 0)
		return result;
	*place = (char *)fl_align_up((uintptr_t)*mapped, UNIT);
	result = b->node >= 0 ? fl_os_mbind(*place, length, b->node) : 0;
	fl_os_name_mapping(*place, length, b->name);
	return result;
}

static int copy_over(char *pages, size_t length, char *copy)
{
	fl_copy_poisoned(copy, pages, length);
	return fl_os_mremap_to(copy, length, length, 0, pages);
}

/* Nobody writes to the pages until they are replaced. */
static int replace_protected(char *pages, size_t length, char *copy, int fd)
{
	int result = fl_userfault_register(fd, (uintptr_t)pages, length);

	if (result != 0)
		return result;
	result = fl_userfault_protect(fd, (uintptr_t)pages, length);
	if (result == 0)
		result = copy_over(pages, length, copy);
	if (result == 0)
		fl_userfault_wake(fd, (uintptr_t)pages, length);
	else
		fl_userfault_forget(fd, (uintptr_t)pages, length);
	return result;
}

static int replace(const struct fl_backing *b, char *pages, size_t length, int fd)
{
	void *mapped = NULL;
	char *copy;

	/* Our own stack cannot be copied and written to at once. */
	if ((uintptr_t)&copy - (uintptr_t)pages < length)
		return -EBUSY;
	int result = map_place(b, length, &mapped, &copy);
	if (result == 0)
		result = bring_in(copy, length);
	if (result == 0)
		result = fd >= 0 ? replace_protected(pages, length, copy, fd) : copy_over(pages, length, copy);
	if (mapped != NULL)
		fl_os_munmap(mapped, length + UNIT);
	return result;
}

int fl_backing_spill(struct fl_backing *b, void *address, size_t length, int fd)
{
	char *page = address, *end = page + length;
	int result = 0;

	__atomic_store_n(&b->spilled, true, __ATOMIC_RELEASE);
	while (page < end && result == 0) {
		char *first = page;
		size_t most = fl_max(RUN, b->page_size);
		while (page < end && (size_t)(page - first) < most && is_pooled(b, page))
			page += b->page_size;
		if (page != first)
			result = replace(b, first, (size_t)(page - first), fd);
		else
			page += b->page_size;
	}
	return result;
}
