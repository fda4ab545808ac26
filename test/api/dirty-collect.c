/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every kind of map, with a guard and without, what a collection tells of: each page that was written, discarded
 * or both, and no other, whatever was populated or read meanwhile; in parts when there is little room; once.
 */
#include <errno.h>
#include <sys/wait.h>

#include "test/api/map-kinds.h"

#define PAGES(n) ((n) * page)
#define NPAGES 3000
#define W FALLOW_DIRTY_WRITTEN
#define D FALLOW_DIRTY_DISCARDED

static size_t page;

struct change {
	size_t first;
	size_t npages;
	unsigned int changes;
};

/* What a collection with room for nroom ranges at a time tells of is these changes, and then nothing. */
static void collects(struct fallow_map *map, size_t nroom, const struct change *changes, size_t nchanges)
{
	struct fallow_dirty_range ranges[8];
	size_t length = fallow_map_size(map), from = 0, nseen = 0, n = nroom;

	for (; n == nroom; from = n ? ranges[n - 1].offset + ranges[n - 1].length : length) {
		must_equal(fallow_dirty_collect(map, from, length - from, ranges, &n), 0);
		for (size_t i = 0; i < n; i++, nseen++) {
			must(nseen < nchanges);
			must_equal(ranges[i].offset, PAGES(changes[nseen].first));
			must_equal(ranges[i].length, PAGES(changes[nseen].npages));
			must_equal(ranges[i].changes, changes[nseen].changes);
		}
	}
	must_equal(nseen, nchanges);
	n = 8;
	must_equal(fallow_dirty_collect(map, 0, length, ranges, &n), 0);
	must_equal(n, 0);
}

#define COLLECTS(map, nroom, ...)                                                                                      \
	collects(map, nroom, (const struct change[]){ __VA_ARGS__ },                                                   \
		 sizeof((const struct change[]){ __VA_ARGS__ }) / sizeof(struct change))
#define COLLECTS_NOTHING(map) collects(map, 8, NULL, 0)

static void populate(struct fallow_map *map, size_t first, size_t npages, enum fallow_populate mode)
{
	must_equal(fallow_map_populate(map, PAGES(first), PAGES(npages), mode), 0);
}

static void discard(struct fallow_map *map, size_t first, size_t npages)
{
	must_equal(fallow_map_discard(map, PAGES(first), PAGES(npages)), 0);
}

/* What is populated for writing is the map's own, even if it was read before. */
static bool has_zero_pages(struct fallow_map *map, size_t first, size_t npages)
{
	uint64_t bits[NPAGES / 64 + 1], any = 0;

	must_equal(fallow_map_bitmap(map, PAGES(first), PAGES(npages), FALLOW_PAGE_ZERO, bits), 0);
	for (size_t i = 0; i < (npages + 63) / 64; i++)
		any |= bits[i];
	return any != 0;
}

/* Where a populate for writing needs a write, and so looks like one. */
static bool populating_counts(const struct map_kind *kind)
{
	return kind->backing == FALLOW_BACKING_FILE && kind->share == FALLOW_SHARE_SHARED && !kind->on_tmpfs;
}

static void tells_what_was_written(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, PAGES(NPAGES));
	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	volatile char *base = fallow_map_base(map);
	struct fallow_dirty_range range;
	size_t n = 1;

	populate(map, 0, 100, FALLOW_POPULATE_WRITE);
	base[PAGES(3)] = 1;
	must_equal(fallow_dirty_collect(map, 0, PAGES(1), &range, &n), -ENOENT);
	must_equal(fallow_dirty_stop(map), -ENOENT);
	must_equal(fallow_dirty_start(map), 0);
	must_equal(fallow_dirty_start(map), -EBUSY);
	COLLECTS_NOTHING(map);

	/* Writing, in parts. */
	base[PAGES(3)] = base[PAGES(4)] = base[PAGES(6)] = base[PAGES(98)] = 2;
	COLLECTS(map, 1, { 3, 2, W }, { 6, 1, W }, { 98, 1, W });
	base[PAGES(3)] = base[PAGES(5)] = base[PAGES(99)] = 3;
	n = 1;
	must_equal(fallow_dirty_collect(map, PAGES(5), PAGES(10), &range, &n), 0);
	must(n == 1 && range.offset == PAGES(5));
	COLLECTS(map, 8, { 3, 1, W }, { 99, 1, W });

	/* Populating and reading are no changes; what is written of it is. */
	populate(map, 200, 20, FALLOW_POPULATE_WRITE);
	populate(map, 300, 20, FALLOW_POPULATE_READ);
	must_equal(base[PAGES(210)] + base[PAGES(310)], 0);
	COLLECTS_NOTHING(map);
	base[PAGES(202)] = 4;
	base[PAGES(301)] = 4;
	populate(map, 400, 20, FALLOW_POPULATE_WRITE);
	base[PAGES(401) + page - 1] = 4;
	COLLECTS(map, 8, { 202, 1, W }, { 301, 1, W }, { 401, 1, W });
	if (!populating_counts(kind)) {
		populate(map, 200, 300, FALLOW_POPULATE_WRITE);
		must(!has_zero_pages(map, 200, 300));
		COLLECTS_NOTHING(map);
		base[PAGES(303)] = base[PAGES(450)] = 5;
		populate(map, 200, 300, FALLOW_POPULATE_WRITE);
		COLLECTS(map, 8, { 303, 1, W }, { 450, 1, W });
	}

	/* Discarding what was there; what was not is no change. */
	base[PAGES(4)] = 6;
	discard(map, 3, 3);
	discard(map, 1000, 100);
	COLLECTS(map, 1, { 3, 3, D });
	populate(map, 3, 3, FALLOW_POPULATE_WRITE);
	COLLECTS_NOTHING(map);
	base[PAGES(4)] = base[PAGES(5)] = 7;
	COLLECTS(map, 1, { 4, 2, W });
	base[PAGES(5)] = 8;
	discard(map, 3, 3);
	populate(map, 3, 3, FALLOW_POPULATE_WRITE);
	base[PAGES(3)] = base[PAGES(4)] = 8;
	COLLECTS(map, 8, { 3, 1, W }, { 4, 1, W | D }, { 5, 1, D });
	populate(map, 600, 1, FALLOW_POPULATE_WRITE);
	base[PAGES(600)] = 9;
	discard(map, 600, 1);
	COLLECTS_NOTHING(map);

	/* Pages that come by faults. */
	if (!guard) {
		must_equal(base[PAGES(700)], 0);
		base[PAGES(800)] = 10;
		COLLECTS(map, 8, { 800, 1, W });
	}
	must_equal(fallow_dirty_stop(map), 0);
	must_equal(fallow_dirty_stop(map), -ENOENT);
	base[PAGES(99)] = 11;
	must_equal(fallow_dirty_start(map), 0);
	COLLECTS_NOTHING(map);
	discard(map, 0, NPAGES);
	map_end(map, &options);
}

static void every_kind(void **state)
{
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		tells_what_was_written(&map_kinds[i], *(const enum fallow_guard *)*state);
	}
}

/* Content that a file brings along is not new, however it gets into the page table. */
static void what_a_file_holds_is_not_new(void **state)
{
	enum fallow_guard guard = *(const enum fallow_guard *)*state;

	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(100));
		options.guard = guard;
		if (options.fd < 0)
			continue;
		for (off_t at = 10; at < 40; at++)
			must_equal(pwrite(options.fd, "x", 1, (off_t)PAGES(at)), 1);
		struct fallow_map *map = map_create(&options);
		volatile char *base = fallow_map_base(map);
		must_equal(fallow_dirty_start(map), 0);
		populate(map, 0, 20, FALLOW_POPULATE_READ);
		if (!populating_counts(&map_kinds[i]))
			populate(map, 5, 20, FALLOW_POPULATE_WRITE);
		must_equal(guard ? 'x' : base[PAGES(30)], 'x');
		COLLECTS_NOTHING(map);
		populate(map, 0, 50, FALLOW_POPULATE_READ);
		base[PAGES(12)] = base[PAGES(31)] = base[PAGES(45)] = 'y';
		COLLECTS(map, 1, { 12, 1, W }, { 31, 1, W }, { 45, 1, W });
		discard(map, 11, 2);
		discard(map, 31, 1);
		/* What was only read of a file that is mapped privately is still the file's. */
		if (map_kinds[i].share == FALLOW_SHARE_SHARED)
			COLLECTS(map, 8, { 11, 2, D }, { 31, 1, D });
		else
			COLLECTS(map, 8, { 12, 1, D }, { 31, 1, D });
		map_end(map, &options);
	}
}

/* As the kernel does with a file's pages when memory is short: what was written must be told of, and nothing else. */
static void pages_dropped_from_the_page_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(NPAGES));
		struct fallow_map *map = map_create(&options);
		char *base = fallow_map_base(map);
		bool shared = map_kinds[i].share == FALLOW_SHARE_SHARED;

		populate(map, 0, 50, FALLOW_POPULATE_WRITE);
		must_equal(fallow_dirty_start(map), 0);
		populate(map, 600, 50, FALLOW_POPULATE_WRITE);
		base[PAGES(3)] = base[PAGES(610)] = base[PAGES(2000)] = 1;
		/* Private memory would lose its content. */
		must_equal(madvise(base, PAGES(NPAGES), shared ? MADV_DONTNEED : MADV_PAGEOUT), 0);
		COLLECTS(map, 1, { 3, 1, W }, { 610, 1, W }, { 2000, 1, W });
		must_equal(madvise(base, PAGES(NPAGES), shared ? MADV_DONTNEED : MADV_PAGEOUT), 0);
		COLLECTS_NOTHING(map);
		must_equal(base[PAGES(3)] + base[PAGES(4)] + base[PAGES(610)], 2);
		COLLECTS_NOTHING(map);
		base[PAGES(4)] = base[PAGES(610)] = 2;
		COLLECTS(map, 8, { 4, 1, W }, { 610, 1, W });
		/* What the program takes away behind the map's back. */
		if (map_kinds[i].backing == FALLOW_BACKING_ANON && !shared) {
			must_equal(madvise(base + PAGES(4), page, MADV_DONTNEED), 0);
			COLLECTS(map, 8, { 4, 1, W });
		}
		map_end(map, &options);
	}
}

/* A child is not tracked until it starts; its parent does not notice what it does, unless memory is shared. */
static void fork_leaves_tracking_to_the_parent(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(NPAGES));
		struct fallow_map *map = map_create(&options);
		volatile char *base = fallow_map_base(map);
		bool shared = map_kinds[i].share == FALLOW_SHARE_SHARED;
		struct fallow_dirty_range range;
		size_t n = 1;
		int status;

		populate(map, 0, 50, FALLOW_POPULATE_WRITE);
		must_equal(fallow_dirty_start(map), 0);
		base[PAGES(1)] = 1;
		pid_t child = fork();
		if (child == 0) {
			must_equal(fallow_dirty_collect(map, 0, PAGES(1), &range, &n), -ENOENT);
			must_equal(fallow_dirty_stop(map), -ENOENT);
			base[PAGES(2)] = 2;
			must_equal(fallow_dirty_start(map), 0);
			COLLECTS_NOTHING(map);
			base[PAGES(2)] = base[PAGES(60)] = 3;
			COLLECTS(map, 8, { 2, 1, W }, { 60, 1, W });
			must_equal(fallow_dirty_stop(map), 0);
			fallow_map_destroy(map);
			_exit(0);
		}
		must(waitpid(child, &status, 0) == child && status == 0);
		base[PAGES(3)] = 4;
		/* A hole that the child of a shared map has filled is there for the parent as well. */
		must_equal(base[PAGES(60)], shared ? 3 : 0);
		if (shared)
			COLLECTS(map, 8, { 1, 1, W }, { 3, 1, W }, { 60, 1, W });
		else
			COLLECTS(map, 8, { 1, 1, W }, { 3, 1, W });
		/* A child may still have a private page: it is copied, which looks like a write. */
		populate(map, 0, 50, FALLOW_POPULATE_WRITE);
		if (shared && !populating_counts(&map_kinds[i]))
			COLLECTS_NOTHING(map);
		else
			COLLECTS(map, 8, { 0, 50, W });
		map_end(map, &options);
	}
}

/* What a resize adds is tracked, what it cuts off is not told of. */
static void resizing(void **state)
{
	enum fallow_guard guard = *(const enum fallow_guard *)*state;

	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(100));
		options.guard = guard;
		options.reserve = PAGES(200);
		struct fallow_map *map = map_create(&options);
		volatile char *base = fallow_map_base(map);

		populate(map, 0, 100, FALLOW_POPULATE_WRITE);
		must_equal(fallow_dirty_start(map), 0);
		must_equal(fallow_map_resize(map, PAGES(150)), 0);
		populate(map, 100, 50, FALLOW_POPULATE_WRITE);
		COLLECTS_NOTHING(map);
		base[PAGES(40)] = base[PAGES(60)] = base[PAGES(120)] = 1;
		COLLECTS(map, 8, { 40, 1, W }, { 60, 1, W }, { 120, 1, W });
		base[PAGES(41)] = base[PAGES(61)] = 1;
		must_equal(fallow_map_resize(map, PAGES(50)), 0);
		must_equal(fallow_map_resize(map, PAGES(200)), 0);
		COLLECTS(map, 8, { 41, 1, W });
		populate(map, 60, 1, FALLOW_POPULATE_WRITE);
		COLLECTS_NOTHING(map);
		base[PAGES(60)] = 2;
		COLLECTS(map, 8, { 60, 1, W });
		map_end(map, &options);
	}
}

/* The number that the userfaultfd of this process has. */
static int tracking_descriptor(void)
{
	for (int fd = 3; fd < 64; fd++) {
		char path[32], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "userfaultfd") != NULL)
			return fd;
	}
	return -1;
}

/* Programs close descriptors that they do not know, and get their numbers for others. */
static void a_lost_descriptor_is_said(void **state)
{
	enum fallow_guard guard = *(const enum fallow_guard *)*state;

	for (size_t i = 0; i < NMAP_KINDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i], PAGES(100));
		options.guard = guard;
		options.reserve = PAGES(200);
		struct fallow_map *map = map_create(&options);
		volatile char *base = fallow_map_base(map);
		struct fallow_dirty_range range;
		size_t n = 1;

		populate(map, 0, 10, FALLOW_POPULATE_WRITE);
		must_equal(fallow_dirty_start(map), 0);
		int fd = tracking_descriptor(), theirs = open("/dev/null", O_RDWR | O_CLOEXEC);
		must(fd >= 0 && dup2(theirs, fd) == fd);
		base[PAGES(1)] = 1;
		must_equal(fallow_dirty_collect(map, 0, PAGES(100), &range, &n), -EBADF);
		populate(map, 5, 20, FALLOW_POPULATE_WRITE);
		discard(map, 15, 5);
		must_equal(fallow_map_resize(map, PAGES(150)), 0);
		must_equal(fallow_dirty_stop(map), 0);
		must_equal(write(fd, "x", 1), 1);
		must_equal(fallow_dirty_start(map), 0);
		base[PAGES(2)] = 1;
		COLLECTS(map, 8, { 2, 1, W });
		map_end(map, &options);
		close(fd);
		close(theirs);
	}
}

static void bad_input(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_dirty_range range;
	size_t n = 1, none = 0;

	(void)state;
	options.length = PAGES(10);
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_dirty_start(NULL), -EINVAL);
	must_equal(fallow_dirty_stop(NULL), -EINVAL);
	must_equal(fallow_dirty_start(map), 0);
	must_equal(fallow_dirty_collect(NULL, 0, page, &range, &n), -EINVAL);
	must_equal(fallow_dirty_collect(map, 0, page, NULL, &n), -EINVAL);
	must_equal(fallow_dirty_collect(map, 0, page, &range, NULL), -EINVAL);
	must_equal(fallow_dirty_collect(map, 0, page, &range, &none), -EINVAL);
	must_equal(fallow_dirty_collect(map, 1, page, &range, &n), -EINVAL);
	must_equal(fallow_dirty_collect(map, 0, page + 1, &range, &n), -EINVAL);
	must_equal(fallow_dirty_collect(map, PAGES(9), PAGES(2), &range, &n), -EINVAL);
	must_equal(fallow_dirty_collect(map, PAGES(10), 0, &range, &n), 0);
	must_equal(n, 0);
	fallow_map_destroy(map);
}

int main(void)
{
	static enum fallow_guard none = FALLOW_GUARD_NONE, trap = FALLOW_GUARD_TRAP;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(every_kind, &none),
		cmocka_unit_test_prestate(every_kind, &trap),
		cmocka_unit_test_prestate(what_a_file_holds_is_not_new, &none),
		cmocka_unit_test_prestate(what_a_file_holds_is_not_new, &trap),
		cmocka_unit_test_prestate(resizing, &none),
		cmocka_unit_test_prestate(resizing, &trap),
		cmocka_unit_test(pages_dropped_from_the_page_table),
		cmocka_unit_test_prestate(a_lost_descriptor_is_said, &none),
		cmocka_unit_test_prestate(a_lost_descriptor_is_said, &trap),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(fork_leaves_tracking_to_the_parent),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
