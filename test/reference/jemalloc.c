/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's side: an arena on extent hooks that record, page by page, what of a window it has.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <jemalloc/jemalloc.h>

#include "base/bits.h"
#include "test/reference/side.h"

#define WINDOW ((size_t)2 << 30)
#define NPAGES (WINDOW / PAGE)

/* Idle extents stay until they are purged, and then go back. */
const char *malloc_conf = "retain:false,dirty_decay_ms:-1,muzzy_decay_ms:0";

static char *window;
static uint64_t held[NPAGES / 64];
static size_t nheld;     /* pages */
static size_t nmetadata; /* pages of them */
static unsigned int arena;

static size_t page_of(const void *address)
{
	return (size_t)((const char *)address - window) / PAGE;
}

static bool is_all(size_t page, size_t n, bool is_held)
{
	size_t end = is_held ? fl_bitmap_next_clear(held, page + n, page) : fl_bitmap_next(held, page + n, page);

	return end == page + n;
}

static void expect_held(const void *address, size_t size)
{
	if (!is_all(page_of(address), size / PAGE, true))
		differ("jemalloc", "a hook is told of what is not mapped");
}

/* First fit. NPAGES: no room. */
static size_t find(size_t n, size_t alignment)
{
	for (size_t page = 0; page + n <= NPAGES;) {
		page = page_of((char *)fl_align_up((uintptr_t)window + page * PAGE, alignment));
		if (page + n > NPAGES)
			break;
		size_t taken = fl_bitmap_next(held, page + n, page);
		if (taken == page + n)
			return page;
		page = fl_bitmap_next_clear(held, NPAGES, taken);
	}
	return NPAGES;
}

static void *map(extent_hooks_t *hooks, void *at, size_t size, size_t alignment, bool *zero, bool *commit, unsigned int index)
{
	size_t n = size / PAGE, page = at ? page_of(at) : find(n, alignment);

	(void)hooks, (void)index;
	if (page + n > NPAGES || !is_all(page, n, false))
		return NULL;
	for (size_t i = page; i < page + n; i++)
		fl_bitmap_set(held, i);
	nheld += n;
	*zero = *commit = true;
	return window + page * PAGE;
}

static bool unmap(extent_hooks_t *hooks, void *address, size_t size, bool committed, unsigned int index)
{
	size_t page = page_of(address), n = size / PAGE;

	(void)hooks, (void)committed, (void)index;
	expect_held(address, size);
	for (size_t i = page; i < page + n; i++)
		fl_bitmap_clear(held, i);
	nheld -= n;
	return madvise(address, size, MADV_DONTNEED) != 0;
}

static bool discard(extent_hooks_t *hooks, void *address, size_t size, size_t offset, size_t length, unsigned int index)
{
	(void)hooks, (void)index;
	expect_held(address, size);
	return madvise((char *)address + offset, length, MADV_DONTNEED) != 0;
}

static bool split(extent_hooks_t *hooks, void *address, size_t size, size_t a, size_t b, bool committed, unsigned int index)
{
	(void)hooks, (void)committed, (void)index;
	expect_held(address, size);
	return a + b != size;
}

static bool merge(extent_hooks_t *hooks, void *a, size_t a_size, void *b, size_t b_size, bool committed, unsigned int index)
{
	(void)hooks, (void)committed, (void)index;
	expect_held(a, a_size);
	expect_held(b, b_size);
	return (char *)a + a_size != b;
}

static extent_hooks_t hooks = {
	.alloc = map, .dalloc = unmap, .purge_forced = discard, .split = split, .merge = merge,
};

static void control(const char *format, void *old, size_t *size, void *new, size_t new_size)
{
	char name[64];

	snprintf(name, sizeof(name), format, arena);
	if (mallctl(name, old, size, new, new_size) != 0)
		differ("jemalloc", name);
}

static void begin(void)
{
	extent_hooks_t *own = &hooks;
	size_t size = sizeof(arena);

	window = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (window == MAP_FAILED || madvise(window, WINDOW, MADV_NOHUGEPAGE) != 0)
		differ("jemalloc", "no window");
	control("arenas.create", &arena, &size, &own, sizeof(own));
	nmetadata = nheld;
}

static int flags(void)
{
	return MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE;
}

static char *take(size_t n, size_t alignment, bool *zero)
{
	char *extent = mallocx(n * GRANULE, flags() | MALLOCX_ALIGN(alignment) | (*zero ? MALLOCX_ZERO : 0));

	if (extent == NULL || sallocx(extent, flags()) != n * GRANULE)
		differ("jemalloc", "no extent of this size");
	return extent;
}

static void put(char *extent, size_t n)
{
	sdallocx(extent, n * GRANULE, flags());
}

static bool resize(char *extent, size_t n, size_t to)
{
	(void)n;
	return xallocx(extent, to * GRANULE, 0, flags()) == to * GRANULE;
}

static void purge(void)
{
	control("arena.%u.purge", NULL, NULL, NULL, 0);
}

static size_t live(void)
{
	uint64_t epoch = 1;
	size_t bytes, size = sizeof(bytes);

	control("epoch", NULL, NULL, &epoch, sizeof(epoch));
	control("stats.arenas.%u.large.allocated", &bytes, &size, NULL, 0);
	return bytes;
}

static size_t resident(void)
{
	return count_resident(window, WINDOW);
}

static size_t mapped(void)
{
	return (nheld - nmetadata) * PAGE;
}

/* All of it has been given back. */
static bool is_whole(void)
{
	return nheld == nmetadata;
}

const struct side jemalloc_side = {
	.name = "jemalloc", .begin = begin, .take = take, .put = put, .resize = resize, .purge = purge,
	.live = live, .resident = resident, .mapped = mapped, .is_whole = is_whole, .slack = (size_t)1 << 20,
};
