/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools of huge pages.
 */
#include "pool/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/format.h"
#include "diag/options.h"
#include "meta/claim.h"
#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"

#define PATH_LENGTH 4096
#define NAME_TRIES 16

/* Room to grow: address space costs nothing. */
#define RESERVE_TIMES 16
#define RESERVE_LEAST (64 * FL_GIB)

#define NODES_MOST 1024

/* Held while a pool is resized or looked at: rare enough for all pools to share it. */
static struct fl_lock lock = FL_LOCK_INIT(FL_RANK_POOLS);

/* A file of our own on the mount, without a name. */
static int open_unlinked(const char *mount)
{
	int fd = fl_os_open(mount, O_TMPFILE | O_RDWR | O_EXCL, 0600);
	if (fd != -EOPNOTSUPP && fd != -EISDIR)
		return fd;

	/* Filesystems without O_TMPFILE: a name that is gone at once. */
	char path[PATH_LENGTH];
	for (int i = 0; i < NAME_TRIES; i++) {
		if (fl_format(path, sizeof(path), "%s/fallow-%lx", mount, (unsigned long)fl_os_random()) == sizeof(path) - 1)
			return -ENAMETOOLONG;
		fd = fl_os_open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
		if (fd >= 0)
			fl_os_unlink(path);
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

static int open_mount(const char *mount, int *fd)
{
	struct statfs fs;
	int directory = fl_os_open(mount, O_RDONLY | O_DIRECTORY, 0);

	if (directory < 0)
		return directory;
	int result = fl_os_fstatfs(directory, &fs);
	fl_os_close(directory);
	if (result != 0)
		return result;
	if (fs.f_type != HUGETLBFS_MAGIC)
		return -ENODEV;
	*fd = open_unlinked(mount);
	return *fd < 0 ? *fd : 0;
}

static size_t page_bytes(const struct fallow_pool *pool)
{
	return pool->region->backing.page_size;
}

/* Whether a page is wholly free, and how much of it is present: all or nothing. */
static bool page_is_free(const struct fl_region *region, size_t page)
{
	size_t granule = page * region->page_granules, end = granule + region->page_granules;

	for (; granule < end; granule += FL_UNIT_GRANULES) {
		unsigned int n = (unsigned int)fl_min(FL_UNIT_GRANULES - granule % 64, end - granule);
		uint64_t mask = ~UINT64_C(0) >> (64 - n) << (granule % 64);
		if ((region->units[granule / 64].free & mask) != mask)
			return false;
	}
	return true;
}

static bool page_is_present(const struct fl_region *region, size_t page)
{
	size_t granule = page * region->page_granules;

	return region->units[granule / 64].present >> (granule % 64) & 1;
}

static void count_pages(struct fl_region *region, size_t *npresent, size_t *nused)
{
	*npresent = *nused = 0;
	fl_lock_take(&region->lock);
	for (size_t page = 0; page < region->frontier / region->page_granules; page++) {
		if (page_is_present(region, page)) {
			++*npresent;
			*nused += !page_is_free(region, page);
		}
	}
	fl_lock_put(&region->lock);
}

/* Give back present pages that nobody uses until at most npages are present. */
static void drop_pages(struct fallow_pool *pool, size_t npages)
{
	struct fl_region *region = pool->region;
	size_t n = region->page_granules, npresent, nused;

	count_pages(region, &npresent, &nused);
	for (size_t page = __atomic_load_n(&region->frontier, __ATOMIC_RELAXED) / n; page-- > 0 && npresent > npages;) {
		if (!page_is_present(region, page) || !fl_extent_extend(region, page * n, 0, n))
			continue;
		if (fl_extent_discard(region, page * n, n) == 0)
			npresent--;
		fl_extent_put(region, page * n, n, 0);
	}
}

/* Populate absent pages until npages are present. On failure those that this call brought in are gone again. */
static int hold_pages(struct fallow_pool *pool, size_t npages, size_t requested)
{
	struct fl_region *region = pool->region;
	size_t n = region->page_granules, npresent, nused;
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };
	bool zero;

	count_pages(region, &npresent, &nused);
	size_t before = npresent;
	for (size_t page = 0; npresent < npages && failure.reason == FALLOW_REASON_NONE; page++) {
		if (page * n < __atomic_load_n(&region->frontier, __ATOMIC_RELAXED) && page_is_present(region, page))
			continue;
		if (!fl_extent_extend(region, page * n, 0, n)) {
			failure.reason = FALLOW_REASON_ADDRESS_SPACE;
			break;
		}
		failure = fl_extent_populate(region, page * n, n, FL_USE_WRITTEN, &zero);
		fl_extent_put(region, page * n, n, 0);
		npresent += failure.reason == FALLOW_REASON_NONE;
	}
	if (failure.reason == FALLOW_REASON_NONE)
		return 0;
	drop_pages(pool, before);
	fl_failure_keep(failure, requested);
	return -ENOMEM;
}

static int create(struct fallow_pool *pool, const struct fallow_pool_options *options)
{
	struct fl_region_options region = {
		.backing = {
			.kind = options->mount ? FALLOW_BACKING_FILE : options->backing,
			.populate = FALLOW_POPULATE_WRITE,
			.fork = options->fork,
			.page_size = options->page_size,
			.fd = -1,
			.own_fd = options->mount != NULL,
			.node = options->node,
			.name = "fallow pool",
		},
		.decay = options->decay_ms == ~0u ? fl_options.decay : options->decay_ms == ~0u - 1 ? FL_DECAY_NEVER :
					options->decay_ms,
		.held = options->supply == FALLOW_POOL_HELD,
	};
	int result;

	if (options->mount) {
		result = open_mount(options->mount, &region.backing.fd);
		if (result != 0)
			return result;
	} else {
		result = fl_backing_huge_page(&region.backing.page_size);
		if (result != 0)
			return result;
	}
	size_t page = region.backing.page_size;
	if (page == 0) {
		struct statfs fs;
		result = fl_os_fstatfs(region.backing.fd, &fs);
		page = result == 0 ? (size_t)fs.f_bsize : FL_UNIT;
	}
	if (__builtin_mul_overflow(options->npages, page, &region.limit) || region.limit > fl_claim_longest() / 2) {
		if (options->mount)
			fl_os_close(region.backing.fd);
		return -EINVAL;
	}
	region.reserve = fl_min(fl_max(region.limit * RESERVE_TIMES, RESERVE_LEAST), fl_claim_longest() / 2);
	result = fl_region_create(&region, &pool->region);
	if (result != 0)
		return result;
	pool->supply = options->supply;
	pool->npages = options->npages;
	if (pool->supply == FALLOW_POOL_HELD)
		result = hold_pages(pool, pool->npages, region.limit);
	if (result != 0)
		fl_region_destroy(pool->region);
	return result;
}

static bool is_valid(const struct fallow_pool_options *options)
{
	return options != NULL && options->size == sizeof(*options) && options->npages > 0 &&
	       (options->backing == FALLOW_BACKING_HUGETLB || options->backing == FALLOW_BACKING_MEMFD || options->mount) &&
	       (unsigned int)options->supply <= FALLOW_POOL_ON_DEMAND && options->node >= -1 && options->node < NODES_MOST;
}

int fallow_pool_create(const struct fallow_pool_options *options, struct fallow_pool **pool)
{
	if (pool == NULL || !is_valid(options))
		return -EINVAL;
	struct fallow_pool *made = fl_meta_alloc(sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	int result = create(made, options);
	if (result != 0) {
		fl_meta_free(made, sizeof(*made));
		return result;
	}
	*pool = made;
	return 0;
}

int fallow_pool_destroy(struct fallow_pool *pool)
{
	if (pool == NULL)
		return 0;
	fl_lock_take(&lock);
	bool busy = pool->narenas != 0;
	fl_lock_put(&lock);
	if (busy)
		return -EBUSY;
	fl_region_destroy(pool->region);
	fl_meta_free(pool, sizeof(*pool));
	return 0;
}

static int resize(struct fallow_pool *pool, size_t npages, size_t bytes)
{
	struct fl_region *region = pool->region;
	size_t npresent, nused;

	if (npages >= pool->npages) {
		fl_region_set_limit(region, bytes);
		int result = pool->supply == FALLOW_POOL_HELD ? hold_pages(pool, npages, bytes) : 0;
		if (result != 0)
			fl_region_set_limit(region, pool->npages * page_bytes(pool));
		return result;
	}
	/* From here on the pool does not grow, so that what is counted cannot be taken meanwhile. */
	fl_region_set_limit(region, bytes);
	count_pages(region, &npresent, &nused);
	if (nused <= npages)
		drop_pages(pool, npages);
	count_pages(region, &npresent, &nused);
	if (npresent <= npages)
		return 0;
	fl_region_set_limit(region, pool->npages * page_bytes(pool));
	return -EBUSY;
}

int fallow_pool_resize(struct fallow_pool *pool, size_t npages)
{
	size_t bytes;

	if (pool == NULL || npages == 0 || __builtin_mul_overflow(npages, page_bytes(pool), &bytes))
		return -EINVAL;
	if (bytes > pool->region->nreserved << FL_GRANULE_SHIFT)
		return -ENOMEM;
	fl_lock_take(&lock);
	int result = resize(pool, npages, bytes);
	if (result == 0)
		pool->npages = npages;
	fl_lock_put(&lock);
	return result;
}

int fallow_pool_stats(struct fallow_pool *pool, struct fallow_pool_stat *stat)
{
	if (pool == NULL || stat == NULL || stat->size != sizeof(*stat))
		return -EINVAL;
	fl_lock_take(&lock);
	stat->page_size = page_bytes(pool);
	stat->npages = pool->npages;
	stat->narenas = pool->narenas;
	count_pages(pool->region, &stat->npages_populated, &stat->npages_used);
	fl_lock_put(&lock);
	return 0;
}

void fl_pool_join(struct fallow_pool *pool)
{
	fl_lock_take(&lock);
	pool->narenas++;
	fl_lock_put(&lock);
}

void fl_pool_leave(struct fallow_pool *pool)
{
	fl_lock_take(&lock);
	pool->narenas--;
	fl_lock_put(&lock);
}

void fl_pool_fork_child(void)
{
	fl_lock_init(&lock, FL_RANK_POOLS);
}
