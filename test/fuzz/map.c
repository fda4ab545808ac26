/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps: populated, discarded, written, resized, volatile, tracked, taken and restored. The model has for every page what its
 * first and last words hold, whether it counts as populated, and what a collection must tell of it.
 *
 * What the kernel takes of volatile pages it takes when told to (MADV_PAGEOUT); it may refuse, so such a page has its
 * content or zeros until one of both is seen.
 */
#include "test/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <fallow/fallow.h>

#include "test/api/map-kinds.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* 5.4 */
#endif

#define NMAPS 2
#define NPAGES 1200
#define NIMAGES 2
#define NRANGES 5

struct leaf {
	uint64_t value;    /* 0: zeros */
	bool populated;
	bool is_volatile;
	bool may_be_lost;  /* volatile, and the kernel was told to take it, or the word it is known by may be overwritten */
	bool written;      /* what a collection will tell */
	bool discarded;
	bool held;         /* had content when it was collected last */
	bool held_perhaps; /* was there, with zeros, when tracking started */
};

struct map {
	struct fallow_map *handle;
	struct fallow_map_options options;
	const struct map_kind *kind;
	size_t npages;
	size_t limit; /* pages, 0: none */
	bool tracked;
	bool unsure;  /* what a collection tells is not foreseen, until tracking starts anew */
	struct fallow_snapshot *snapshot;
	size_t image; /* that the snapshot goes to */
	struct leaf leaves[NPAGES];
};

struct image {
	int fd;
	bool complete;
	size_t npages;
	uint64_t values[NPAGES];
	bool unsure[NPAGES]; /* volatile: or zeros */
};

static struct map maps[NMAPS];
static struct image images[NIMAGES] = { { .fd = -1 }, { .fd = -1 } };
static size_t page_size;

/* Pages */

static uint64_t *word(const struct map *map, size_t page, bool last)
{
	char *start = (char *)fallow_map_base(map->handle) + page * page_size;

	return (uint64_t *)(last ? start + page_size : start) - last;
}

static bool may_touch(const struct map *map, size_t page)
{
	return map->options.guard == FALLOW_GUARD_NONE || map->leaves[page].populated;
}

static void check(struct map *map, size_t page)
{
	struct leaf *leaf = &map->leaves[page];

	if (!may_touch(map, page))
		return;
	if (leaf->may_be_lost && *word(map, page, false) == 0)
		leaf->value = 0;
	expect_equal(*word(map, page, false), leaf->value);
	expect_equal(*word(map, page, true), leaf->value);
}

static void check_range(struct map *map, size_t first, size_t end)
{
	for (size_t page = first; page < end; page++)
		check(map, page);
}

static size_t count_populated(const struct map *map, size_t first, size_t end)
{
	size_t n = 0;

	for (size_t page = first; page < end; page++)
		n += map->leaves[page].populated;
	return n;
}

/* A part of the map; its calls are to be refused when it is not well-formed. */
static bool any_range(struct fuzz_input *input, const struct map *map, size_t *first, size_t *end)
{
	*first = (fuzz_byte(input) * 5u) % map->npages;
	size_t n = fuzz_byte(input);

	n = n >= 250 ? NPAGES : n;
	*end = *first + n < map->npages ? *first + n : map->npages;
	return !fuzz_one_in(input, 32);
}

/* What a discard leaves, and tells of. */
static void empty(struct map *map, size_t page)
{
	struct leaf *leaf = &map->leaves[page];

	*leaf = (struct leaf){ .held = leaf->held, .held_perhaps = leaf->held_perhaps,
			       .discarded = leaf->discarded || leaf->held };
}

/* Steps */

static void create(struct fuzz_input *input, struct map *map)
{
	const struct map_kind *kind = &map_kinds[fuzz_below(input, NMAP_KINDS)];

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	*map = (struct map){ .kind = kind, .npages = 1 + (fuzz_byte(input) * 5) % NPAGES, .image = NIMAGES };
	map->options = map_options(kind, map->npages * page_size);
	map->options.guard = (enum fallow_guard)fuzz_below(input, 2);
	map->options.thp = (enum fallow_thp)fuzz_below(input, 3);
	map->options.reserve = NPAGES * page_size;
	map->limit = fuzz_one_in(input, 3) ? 1 + fuzz_byte(input) : 0;
	map->options.limit = map->limit * page_size;
	expect_equal(fallow_map_create(&map->options, &map->handle), 0);
	expect_equal(fallow_map_size(map->handle), map->npages * page_size);
}

static void write_pages(struct fuzz_input *input, struct map *map)
{
	size_t first, end;

	any_range(input, map, &first, &end);
	for (size_t page = first; page < end; page++) {
		struct leaf *leaf = &map->leaves[page];
		check(map, page);
		if (!may_touch(map, page))
			continue;
		leaf->value = (uint64_t)fuzz_byte(input) << 32 | page << 8 | 1;
		leaf->written = true;
		leaf->may_be_lost = leaf->is_volatile;
		*word(map, page, false) = *word(map, page, true) = leaf->value;
	}
}

static bool cancel(struct fallow_map *map, size_t done, size_t total, void *context)
{
	return map == NULL || done > total || context != NULL;
}

static void populate(struct fuzz_input *input, struct map *map)
{
	struct fallow_populate_options options = FALLOW_POPULATE_OPTIONS_INIT;
	size_t first, end;
	bool fine = any_range(input, map, &first, &end);

	options.mode = (enum fallow_populate)fuzz_below(input, 6);
	options.nthreads = fuzz_below(input, 3);
	bool cancels = fuzz_one_in(input, 4), touches = options.mode != FALLOW_POPULATE_ALLOCATE;
	options.progress = cancels ? cancel : NULL;
	size_t had = count_populated(map, 0, map->npages), more = end - first - count_populated(map, first, end);
	int result = fallow_map_populate_with(map->handle, first * page_size, (end - first) * page_size + !fine, &options);
	if (!fine || options.mode > FALLOW_POPULATE_ALLOCATE) {
		expect(result == -EINVAL || (!touches && result == -EOPNOTSUPP));
	} else if (first == end) {
		expect(result == 0 || (!touches && result == -EOPNOTSUPP));
	} else if (!touches && result == -EOPNOTSUPP) {
		return;
	} else if (map->limit != 0 && had + more > map->limit && more > 0) {
		expect_equal(result, -ENOMEM);
	} else {
		expect(result == 0 || (cancels && result == -ECANCELED));
		for (size_t page = first; result == 0 && page < end; page++)
			map->leaves[page].populated = true;
	}
	check_range(map, first, end);
}

static void discard(struct fuzz_input *input, struct map *map)
{
	size_t first, end;
	bool fine = any_range(input, map, &first, &end);
	int result = fallow_map_discard(map->handle, first * page_size + !fine, (end - first) * page_size);

	expect_equal(result, fine ? 0 : -EINVAL);
	for (size_t page = first; fine && page < end; page++)
		empty(map, page);
	check_range(map, first, end);
}

/* A populated page is somewhere, and the two ways of asking agree. */
static void look(struct fuzz_input *input, struct map *map)
{
	static const unsigned int anywhere = FALLOW_PAGE_POPULATED | FALLOW_PAGE_SWAPPED | FALLOW_PAGE_CACHED;
	uint64_t bitmap[NPAGES / 64 + 1];
	struct fallow_map_range ranges[NRANGES];
	size_t first, end, n = NRANGES;

	any_range(input, map, &first, &end);
	expect_equal(fallow_map_bitmap(map->handle, first * page_size, (end - first) * page_size, anywhere, bitmap), 0);
	for (size_t page = first; page < end; page++) {
		bool there = bitmap[(page - first) / 64] >> ((page - first) % 64) & 1;
		expect(there || !map->leaves[page].populated || map->leaves[page].is_volatile ||
		       !map->leaves[page].value);
	}
	for (size_t page = first; n == NRANGES && page < end;) {
		expect_equal(fallow_map_residency(map->handle, page * page_size, (end - page) * page_size, ranges, &n), 0);
		for (size_t i = 0; i < n; i++) {
			size_t from = ranges[i].offset / page_size, to = from + ranges[i].length / page_size;
			expect(ranges[i].states != 0 && page <= from && from < to && to <= end);
			for (size_t bit = page - first; bit < to - first; bit++)
				expect_equal(bitmap[bit / 64] >> (bit % 64) & 1,
					     bit >= from - first && (ranges[i].states & anywhere) != 0);
			page = to;
		}
	}
}

static void check_stats(const struct map *map)
{
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;

	expect_equal(fallow_map_stats(map->handle, &stat), 0);
	expect_equal(stat.length, map->npages * page_size);
	expect_equal(stat.limit, map->limit * page_size);
	expect_equal(stat.populated, count_populated(map, 0, map->npages) * page_size);
}

static void set_limit(struct fuzz_input *input, struct map *map)
{
	map->limit = fuzz_one_in(input, 2) ? 0 : 1 + fuzz_byte(input) * 2;
	expect_equal(fallow_map_set_limit(map->handle, map->limit * page_size), 0);
}

static void resize(struct fuzz_input *input, struct map *map)
{
	size_t npages = (fuzz_byte(input) * 5) % (NPAGES + 60);
	int result = fallow_map_resize(map->handle, npages * page_size);

	if (npages == 0)
		expect_equal(result, -EINVAL);
	else if (map->snapshot)
		expect_equal(result, -EBUSY);
	else
		expect_equal(result, npages > NPAGES ? -ENOMEM : 0);
	if (result != 0)
		return;
	for (size_t page = npages; page < map->npages; page++)
		map->leaves[page] = (struct leaf){ 0 };
	map->npages = npages;
	check_range(map, 0, npages);
}

static void collapse(struct fuzz_input *input, struct map *map)
{
	size_t first, end, unit = ((size_t)2 << 20) / page_size;
	bool fine = any_range(input, map, &first, &end);
	int result = fallow_map_collapse(map->handle, first * page_size, (end - first) * page_size + !fine);

	if (!fine)
		expect(result == -EINVAL || result == -EOPNOTSUPP);
	else
		expect(result == 0 || result == -ENOMEM || result == -EOPNOTSUPP);
	for (size_t page = (first + unit - 1) / unit * unit; result == 0 && page + unit <= end; page += unit) {
		for (size_t i = page; i < page + unit; i++)
			map->leaves[i].populated = true;
		/* It takes pages from the kernel's hands. */
		map->unsure = true;
	}
	check_range(map, first, end);
}

/* Volatile */

static void begin_volatile(struct fuzz_input *input, struct map *map)
{
	bool can = map->kind->backing == FALLOW_BACKING_ANON && map->kind->share == FALLOW_SHARE_PRIVATE;
	size_t first, end;
	bool fine = any_range(input, map, &first, &end);
	int result = fallow_volatile_begin(map->handle, first * page_size + !fine, (end - first) * page_size);

	if (!can || !fine)
		expect(result == (can ? -EINVAL : -EOPNOTSUPP) || !fine);
	else
		expect_equal(result, 0);
	if (result != 0)
		return;
	/* A page that is merely there by a touch is marked as well. */
	for (size_t page = first; page < end; page++)
		map->leaves[page].is_volatile |= may_touch(map, page);
	map->unsure = true;
}

static void press(struct fuzz_input *input, struct map *map)
{
	size_t first, end;

	any_range(input, map, &first, &end);
	for (size_t page = first; page < end; page++)
		map->leaves[page].may_be_lost |= map->leaves[page].is_volatile;
	/* Elsewhere it would write pages to their file, or to swap. */
	if (map->kind->backing == FALLOW_BACKING_ANON && map->kind->share == FALLOW_SHARE_PRIVATE)
		madvise(word(map, first, false), (end - first) * page_size, MADV_PAGEOUT);
}

static void end_volatile(struct fuzz_input *input, struct map *map)
{
	uint64_t lost[NPAGES / 64 + 1];
	size_t first, end, nlost = 0, n = 0;
	bool fine = any_range(input, map, &first, &end);
	int result = fallow_volatile_end(map->handle, first * page_size, (end - first) * page_size + !fine, lost, &nlost);

	expect_equal(result, fine ? 0 : -EINVAL);
	for (size_t page = first; fine && page < end; page++) {
		struct leaf *leaf = &map->leaves[page];
		bool is_lost = lost[(page - first) / 64] >> ((page - first) % 64) & 1;
		n += is_lost;
		/* Zeros of a huge page that is split the kernel drops unasked. */
		expect(!is_lost || leaf->may_be_lost || (leaf->is_volatile && leaf->value == 0));
		if (is_lost)
			empty(map, page);
		else
			check(map, page);
		leaf->is_volatile = leaf->may_be_lost = false;
		check(map, page);
	}
	expect_equal(n, nlost);
}

/* Dirty */

static void start_tracking(struct map *map)
{
	int result = fallow_dirty_start(map->handle);

	/* Pages are protected until the snapshot's image is written, whenever that is. */
	expect(result == 0 || result == -EOPNOTSUPP || ((map->tracked || map->snapshot) && result == -EBUSY));
	if (result == -EBUSY)
		return;
	expect(!map->tracked);
	map->tracked = result == 0;
	map->unsure = false;
	for (size_t page = 0; page < map->npages; page++) {
		struct leaf *leaf = &map->leaves[page];
		check(map, page);
		leaf->written = leaf->discarded = false;
		leaf->held = leaf->value != 0;
		leaf->held_perhaps = leaf->value == 0;
		map->unsure |= leaf->is_volatile;
	}
}

static void told(struct map *map, size_t first, size_t end, unsigned int changes)
{
	bool counts = map->kind->share == FALLOW_SHARE_SHARED && map->kind->backing == FALLOW_BACKING_FILE &&
		      !map->kind->on_tmpfs;

	for (size_t page = first; page < end && !map->unsure; page++) {
		struct leaf *leaf = &map->leaves[page];
		unsigned int expected = (leaf->written ? FALLOW_DIRTY_WRITTEN : 0) |
					(leaf->discarded ? FALLOW_DIRTY_DISCARDED : 0);
		unsigned int allowed = expected | (counts ? FALLOW_DIRTY_WRITTEN : 0) |
				       (leaf->held_perhaps ? FALLOW_DIRTY_DISCARDED : 0);
		expect_equal(changes & expected, expected);
		expect_equal(changes & ~allowed, 0);
		if (changes != 0) {
			leaf->held = changes & FALLOW_DIRTY_WRITTEN;
			leaf->held_perhaps = false;
		}
		leaf->written = leaf->discarded = false;
	}
}

static void collect(struct fuzz_input *input, struct map *map)
{
	struct fallow_dirty_range ranges[NRANGES];
	size_t page, end, room = 1 + fuzz_below(input, NRANGES), n = room;
	bool fine = any_range(input, map, &page, &end);

	if (!map->tracked || !fine) {
		int result = fallow_dirty_collect(map->handle, page * page_size + !fine, (end - page) * page_size, ranges, &n);
		expect_equal(result, fine ? -ENOENT : -EINVAL);
		return;
	}
	for (; n == room; n = n == room ? n : 0) {
		expect_equal(fallow_dirty_collect(map->handle, page * page_size, (end - page) * page_size, ranges, &n), 0);
		for (size_t i = 0; i < n; i++) {
			size_t from = ranges[i].offset / page_size;
			told(map, page, from, 0);
			page = from + ranges[i].length / page_size;
			told(map, from, page, ranges[i].changes);
		}
	}
	told(map, page, end, 0);
}

static void stop_tracking(struct map *map)
{
	expect_equal(fallow_dirty_stop(map->handle), map->tracked ? 0 : -ENOENT);
	map->tracked = false;
}

/* Snapshots */

static bool is_free_image(size_t index)
{
	for (size_t i = 0; i < NMAPS; i++) {
		if (maps[i].snapshot && maps[i].image == index)
			return false;
	}
	return true;
}

static void take(struct fuzz_input *input, struct map *map)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	size_t index = fuzz_below(input, NIMAGES);
	struct image *image = &images[index];

	if (!is_free_image(index))
		return;
	if (image->fd < 0)
		image->fd = memfd_create("image", MFD_CLOEXEC);
	expect_equal(ftruncate(image->fd, 0) | lseek(image->fd, 0, SEEK_SET), 0);
	image->complete = false;
	options.memory = fuzz_below(input, 4) * page_size;
	struct fallow_snapshot *snapshot;
	int result = fallow_snapshot_take(map->handle, image->fd, &options, &snapshot);
	if (result == -EPERM || result == -EOPNOTSUPP)
		return;
	expect_equal(result, map->snapshot || map->tracked ? -EBUSY : 0);
	if (result != 0)
		return;
	map->snapshot = snapshot;
	map->image = index;
	image->npages = map->npages;
	for (size_t page = 0; page < map->npages; page++) {
		image->values[page] = map->leaves[page].value;
		image->unsure[page] = map->leaves[page].is_volatile;
	}
}

static void finish(struct fuzz_input *input, struct map *map)
{
	struct fallow_snapshot_stat stat = FALLOW_SNAPSHOT_STAT_INIT;
	bool cancels = fuzz_one_in(input, 4);

	if (map->snapshot == NULL)
		return;
	expect_equal(fallow_snapshot_progress(map->snapshot, &stat), 0);
	expect(stat.done <= stat.total);
	if (cancels)
		fallow_snapshot_cancel(map->snapshot);
	int result = fallow_snapshot_wait(map->snapshot);
	expect(result == 0 || (cancels && result == -ECANCELED));
	map->snapshot = NULL;
	images[map->image].complete = result == 0;
}

static void restored(struct map *map, const struct image *image)
{
	for (size_t page = 0; page < map->npages; page++) {
		struct leaf *leaf = &map->leaves[page];
		*leaf = (struct leaf){ 0 };
		if (page >= image->npages)
			continue;
		leaf->value = image->values[page];
		/* Unpopulated, a page with a guard cannot be looked at. */
		leaf->populated = leaf->value != 0;
		if (image->unsure[page] && leaf->value != 0) {
			uint64_t there = 0;
			expect_equal(fallow_map_bitmap(map->handle, page * page_size, page_size, FALLOW_PAGE_POPULATED, &there), 0);
			leaf->populated = there;
			leaf->value = leaf->populated ? leaf->value : 0;
		}
		check(map, page);
	}
	map->unsure = true;
}

static void restore(struct fuzz_input *input, struct map *map)
{
	struct image *image = &images[fuzz_below(input, NIMAGES)];
	size_t content = 0;

	if (image->fd < 0 || !is_free_image((size_t)(image - images)) || map->snapshot)
		return;
	expect_equal(lseek(image->fd, 0, SEEK_SET), 0);
	for (size_t page = 0; image->complete && page < image->npages; page++)
		content += image->values[page] != 0 && !image->unsure[page];
	int result = fallow_snapshot_restore(map->handle, image->fd, NULL);
	if (result == 0) {
		expect(image->complete && (map->limit == 0 || content <= map->limit));
		restored(map, image);
	} else if (image->complete && image->npages > map->npages) {
		expect_equal(result, -ERANGE);
	} else if (image->complete) {
		expect(result == -ENOMEM && map->limit != 0);
		for (size_t page = 0; page < map->npages; page++)
			map->leaves[page] = (struct leaf){ 0 };
		map->unsure = true;
	} else {
		expect(result == -EBADMSG || result == -ERANGE || (result == -ENOMEM && map->limit != 0));
		/* An image that was torn after its beginning leaves the map empty. */
		if (lseek(image->fd, 0, SEEK_END) > 0 && result != -ERANGE)
			for (size_t page = 0; page < map->npages; page++)
				map->leaves[page] = (struct leaf){ 0 };
		map->unsure = true;
	}
	check_range(map, 0, map->npages);
}

static void destroy(struct map *map)
{
	check_range(map, 0, map->npages);
	check_stats(map);
	if (map->snapshot) {
		struct fuzz_input nothing = { 0 };
		expect_equal(fallow_map_destroy(map->handle), -EBUSY);
		finish(&nothing, map);
	}
	expect_equal(fallow_map_destroy(map->handle), 0);
	if (map->options.fd >= 0)
		close(map->options.fd);
	map->handle = NULL;
}

void fuzz_map_step(struct fuzz_input *input)
{
	struct map *map = &maps[fuzz_below(input, NMAPS)];
	unsigned int choice = fuzz_below(input, 24);

	if (map->handle == NULL) {
		create(input, map);
		return;
	}
	switch (choice) {
	case 0: destroy(map); break;
	case 1: set_limit(input, map); break;
	case 2: resize(input, map); break;
	case 3: collapse(input, map); break;
	case 4: begin_volatile(input, map); break;
	case 5: press(input, map); break;
	case 6: end_volatile(input, map); break;
	case 7: start_tracking(map); break;
	case 8: stop_tracking(map); break;
	case 9:
	case 10: collect(input, map); break;
	case 11: take(input, map); break;
	case 12: finish(input, map); break;
	case 13: restore(input, map); break;
	case 14: look(input, map); break;
	case 15:
	case 16: discard(input, map); break;
	case 17:
	case 18:
	case 19: populate(input, map); break;
	case 20: check_stats(map); break;
	default: write_pages(input, map); break;
	}
}

void fuzz_map_end(void)
{
	for (size_t i = 0; i < NMAPS; i++) {
		if (maps[i].handle)
			destroy(&maps[i]);
	}
	for (size_t i = 0; i < NIMAGES; i++) {
		if (images[i].fd >= 0)
			close(images[i].fd);
		images[i] = (struct image){ .fd = -1 };
	}
}
