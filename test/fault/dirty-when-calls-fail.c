/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that tracking says no where the kernel, a filter or the lack of /proc keep it from working, with the map as
 * usable as before; and that whichever call fails while it starts or collects, nothing that was written is lost: the next
 * collection tells of all of it.
 */
#include <errno.h>

#include "os/kernel.h"
#include "os/os.h"
#include "test/api/map-kinds.h"

#define PAGES(n) ((n) * page)
#define NPAGES 70000
#define NRANGES 1024

static size_t page;

/* What is to fail: calls of a kind from the n-th on, or the n-th only; 0: none. */
static struct {
	enum fl_os_call call;
	int request; /* of ioctl; 0: any */
	int error;
	unsigned int nth;
	bool once;
	unsigned int ncalls;
} fault;

static int strike(enum fl_os_call call, int detail)
{
	if (call != fault.call || (fault.request != 0 && detail != fault.request))
		return 0;
	fault.ncalls++;
	return fault.nth != 0 && (fault.once ? fault.ncalls == fault.nth : fault.ncalls >= fault.nth) ? fault.error : 0;
}

static void arm(enum fl_os_call call, unsigned long request, int error, unsigned int nth, bool once)
{
	fault.call = call;
	fault.request = (int)request;
	fault.error = error;
	fault.nth = nth;
	fault.once = once;
	fault.ncalls = 0;
	fl_os_fault = strike;
}

static void populate(struct fallow_map *map, size_t first, size_t npages)
{
	must_equal(fallow_map_populate(map, PAGES(first), PAGES(npages), FALLOW_POPULATE_WRITE), 0);
}

/* Each is what some kernel or container runtime answers. */
static void says_no_where_it_cannot(void **state)
{
	static const struct {
		enum fl_os_call call;
		unsigned long request;
		int error;
		int answer;
	} refusals[] = {
		{ FL_OS_USERFAULTFD, 0, -ENOSYS, -EOPNOTSUPP },
		{ FL_OS_USERFAULTFD, 0, -EPERM, -EOPNOTSUPP },
		{ FL_OS_USERFAULTFD, 0, -EINVAL, -EOPNOTSUPP },
		{ FL_OS_USERFAULTFD, 0, -EMFILE, -EMFILE },
		{ FL_OS_IOCTL, UFFDIO_API, -EINVAL, -EOPNOTSUPP },
		{ FL_OS_OPEN, 0, -ENOENT, -EOPNOTSUPP },
		{ FL_OS_IOCTL, FL_SCAN, -ENOTTY, -EOPNOTSUPP },
		{ FL_OS_IOCTL, UFFDIO_REGISTER, -EINVAL, -EOPNOTSUPP },
		{ FL_OS_IOCTL, UFFDIO_REGISTER, -EBUSY, -EBUSY },
		{ FL_OS_IOCTL, UFFDIO_REGISTER, -ENOMEM, -ENOMEM },
	};

	(void)state;
	for (size_t kind = 0; kind < NMAP_KINDS; kind++) {
		struct fallow_map_options options = map_options(&map_kinds[kind], PAGES(100));
		struct fallow_map *map = map_create(&options);
		char *base = fallow_map_base(map);

		populate(map, 0, 10);
		memset(base, 'x', PAGES(10));
		for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
			arm(refusals[i].call, refusals[i].request, refusals[i].error, 1, false);
			must_equal(fallow_dirty_start(map), refusals[i].answer);
			must_equal(fallow_dirty_stop(map), -ENOENT);
			must(fault.ncalls > 0);
			fl_os_fault = NULL;
			populate(map, 5, 10);
			must_equal(fallow_map_discard(map, PAGES(10), PAGES(5)), 0);
			must(map_reads(base, PAGES(10), 'x'));
		}
		must_equal(fallow_dirty_start(map), 0);
		map_end(map, &options);
	}
}

/* Pages all over the map, so that several pieces of it are harvested: some are known, some turn up. */
static size_t write_all_over(volatile char *base)
{
	size_t n = 0;

	for (size_t at = 100; at < NPAGES; at += 997, n++)
		base[PAGES(at)]++;
	return n;
}

static void collect_all(struct fallow_map *map, size_t nwritten)
{
	static struct fallow_dirty_range ranges[NRANGES];
	size_t n = NRANGES, at = 0;

	must_equal(fallow_dirty_collect(map, 0, PAGES(NPAGES), ranges, &n), 0);
	for (size_t i = 0; i < n; i++) {
		must_equal(ranges[i].length, page);
		must_equal(ranges[i].changes, FALLOW_DIRTY_WRITTEN);
		must_equal(ranges[i].offset, PAGES(100 + 997 * at));
		at++;
	}
	must_equal(at, nwritten);
}

static void nothing_is_lost(const struct map_kind *kind, enum fl_os_call call, int error)
{
	struct fallow_map_options options = map_options(kind, PAGES(NPAGES));
	struct fallow_map *map = map_create(&options);
	static struct fallow_dirty_range ranges[NRANGES];
	size_t nwritten = 0;
	int result = -1;

	must_equal(fallow_dirty_start(map), 0);
	for (unsigned int nth = 1; result != 0; nth++) {
		/* Half of the pages are known, the others turn up. */
		must_equal(fallow_map_discard(map, PAGES(NPAGES / 2), PAGES(NPAGES / 2)), 0);
		size_t n = NRANGES;
		must_equal(fallow_dirty_collect(map, 0, PAGES(NPAGES), ranges, &n), 0);
		nwritten = write_all_over(fallow_map_base(map));
		arm(call, 0, error, nth, true);
		n = NRANGES;
		result = fallow_dirty_collect(map, 0, PAGES(NPAGES), ranges, &n);
		fl_os_fault = NULL;
		must(result == 0 || result == -ENOMEM);
		if (result != 0)
			collect_all(map, nwritten);
		else
			must_equal(n, nwritten);
	}
	map_end(map, &options);
}

static void whatever_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		nothing_is_lost(&map_kinds[i], FL_OS_IOCTL, -ENOMEM);
		nothing_is_lost(&map_kinds[i], FL_OS_MMAP, -ENOMEM);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_no_where_it_cannot),
		cmocka_unit_test(whatever_fails),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
