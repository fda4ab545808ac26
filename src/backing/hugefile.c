/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages a file on huge pages has, whoever brought them in. hugetlbfs cannot list them, mincore sees the page table
 * only, and reading or touching a hole tells nothing or fills it.
 *
 * UFFDIO_CONTINUE (5.13) maps a page that the file has, and says EFAULT where it has none; it takes no page from the pool.
 * That is done in a mapping of the range made for it, without access, so that mlockall(MCL_FUTURE) brings nothing in.
 * 16 us for all of it, and up to 1 us a page (6.18). Needs no privileges.
 */
#include <errno.h>

#include "backing/backing.h"
#include "backing/userfault.h"
#include "base/bits.h"
#include "os/kernel.h"
#include "os/os.h"

/* Pages from the start of a range that could be mapped; 0 and -EFAULT when the first is missing. */
static int map_pages(int fd, uintptr_t start, size_t length, size_t page_size, size_t *npages)
{
	struct uffdio_continue range = { .range = { start, length }, .mode = UFFDIO_CONTINUE_MODE_DONTWAKE };
	int result = (int)fl_os_ioctl(fd, UFFDIO_CONTINUE, &range);

	*npages = range.mapped > 0 ? (size_t)range.mapped / page_size : 0;
	return result == -EAGAIN && *npages == 0 ? (int)range.mapped : result;
}

static int find_in(int fd, uintptr_t start, size_t npages, size_t page_size, uint64_t *there)
{
	for (size_t i = 0, n; i < npages; i += n) {
		int result = map_pages(fd, start + i * page_size, (npages - i) * page_size, page_size, &n);
		if (n == 0 && result != -EFAULT)
			return result;
		for (size_t page = i; page < i + n; page++)
			fl_bitmap_set(there, page);
		n = fl_max(n, 1);
	}
	return 0;
}

static int find(int fd, int file, uint64_t offset, size_t npages, size_t page_size, uint64_t *there)
{
	size_t length = npages * page_size;
	void *place = NULL;
	int result = fl_os_mmap(&place, length, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, offset);

	if (result != 0)
		return result;
	struct uffdio_register range = { .range = { (uintptr_t)place, length }, .mode = UFFDIO_REGISTER_MODE_MINOR };
	result = (int)fl_os_ioctl(fd, UFFDIO_REGISTER, &range);
	if (result == 0)
		result = find_in(fd, (uintptr_t)place, npages, page_size, there);
	fl_os_munmap(place, length);
	return result;
}

int fl_backing_find_huge(const struct fl_backing *b, uint64_t offset, size_t npages, uint64_t *there)
{
	int result = fl_backing_check_fd(b);
	if (result != 0)
		return result;
	int fd = fl_userfault_agree(fl_os_userfaultfd(UFFD_USER_MODE_ONLY), UFFD_FEATURE_MINOR_HUGETLBFS);
	if (fd < 0)
		return fd;
	result = find(fd, b->fd, offset, npages, b->page_size, there);
	fl_os_close(fd);
	return result;
}
