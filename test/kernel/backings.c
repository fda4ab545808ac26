/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of finite backings; see backings.h.
 */
#include "test/kernel/backings.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)

long long backing_pool(const struct backing *backing)
{
	(void)backing;
	return place_free_2m();
}

long long backing_filesystem(const struct backing *backing)
{
	struct statfs statistics;
	int directory = open(backing->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(syncfs(directory) == 0);
	must(fstatfs(directory, &statistics) == 0);
	close(directory);
	return (long long)statistics.f_bavail * statistics.f_bsize;
}

long long backing_limit(const struct backing *backing)
{
	return (long long)backing->limit;
}

long long backing_mappable(const struct backing *backing)
{
	(void)backing;
	return hoard_mappable();
}

long long backing_committable(const struct backing *backing)
{
	(void)backing;
	return hoard_committable();
}

long long backing_resident(const struct backing *backing)
{
	(void)backing;
	return -1024LL * test_machine_field("/proc/self/smaps_rollup", "Rss:");
}

long long backing_memfds(const struct backing *backing)
{
	long long nbytes = 0;
	int nmemfds = 0;

	(void)backing;
	for (int fd = 3; fd < 64; fd++) {
		char path[32], target[32];
		struct stat status;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target)) >= 7 && memcmp(target, "/memfd:", 7) == 0) {
			must(fstat(fd, &status) == 0);
			nbytes += status.st_blocks * 512LL;
			nmemfds++;
		}
	}
	must(nmemfds > 0);
	return -nbytes;
}

const struct backing finite_backings[NFINITE] = {
	{
		.name = "anonymous huge pages",
		.place.huge_2m = 4,
		.backing = FALLOW_BACKING_HUGETLB,
		.page_size = 2 * MiB,
		.reason = FALLOW_REASON_POOL_EMPTY,
		.there = backing_pool,
	},
	{
		.name = "memfd of huge pages",
		.place.huge_2m = 4,
		.backing = FALLOW_BACKING_MEMFD,
		.page_size = 2 * MiB,
		.reason = FALLOW_REASON_POOL_EMPTY,
		.there = backing_pool,
	},
	{
		.name = "file on hugetlbfs",
		.place = { .huge_2m = 4, .hugetlbfs = PLACE_UNSIZED },
		.backing = FALLOW_BACKING_FILE,
		.directory = PLACE_HUGETLBFS,
		.reason = FALLOW_REASON_POOL_EMPTY,
		.there = backing_pool,
	},
	{
		.name = "private file on hugetlbfs",
		.place = { .huge_2m = 4, .hugetlbfs = PLACE_UNSIZED },
		.backing = FALLOW_BACKING_FILE,
		.share = FALLOW_SHARE_PRIVATE,
		.directory = PLACE_HUGETLBFS,
		.reason = FALLOW_REASON_POOL_EMPTY,
		.there = backing_pool,
	},
	{
		.name = "file on tmpfs",
		.place.tmpfs = 8 * MiB,
		.backing = FALLOW_BACKING_FILE,
		.directory = PLACE_TMPFS,
		.reason = FALLOW_REASON_TMPFS_FULL,
		.there = backing_filesystem,
	},
	{
		.name = "private file on tmpfs",
		.place.tmpfs = 8 * MiB,
		.backing = FALLOW_BACKING_FILE,
		.share = FALLOW_SHARE_PRIVATE,
		.directory = PLACE_TMPFS,
		.reason = FALLOW_REASON_TMPFS_FULL,
		.there = backing_filesystem,
	},
	{
		.name = "file on ext4",
		.place.ext4 = 16 * MiB,
		.backing = FALLOW_BACKING_FILE,
		.directory = PLACE_EXT4,
		.reason = FALLOW_REASON_DISK_FULL,
		.there = backing_filesystem,
		.slack = 16 * 4096, /* its map of the file */
	},
};

const struct backing endless_backings[NENDLESS] = {
	{
		.name = "ordinary memory",
		.backing = FALLOW_BACKING_ANON,
		.there = backing_resident,
		.slack = MiB, /* the library's own */
	},
	{
		.name = "memfd",
		.backing = FALLOW_BACKING_MEMFD,
		.there = backing_memfds,
	},
};

int backing_file(const char *directory)
{
	char path[256];

	if (directory == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0);
	return fd;
}

struct fallow_arena_options backing_options(const struct backing *backing)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.backing = backing->backing;
	options.share = backing->share;
	options.page_size = backing->page_size;
	options.limit = backing->limit;
	options.fd = backing_file(backing->directory);
	return options;
}

static void *take(void *arena, size_t size)
{
	return fallow_arena_malloc(arena, size);
}

static void put(void *arena, void *block)
{
	fallow_arena_free(arena, block);
}

static size_t usable(void *arena, void *block)
{
	return fallow_arena_usable_size(arena, block);
}

struct heap arena_heap(struct fallow_arena *arena)
{
	return (struct heap){ take, put, usable, fallow_last_failure, arena };
}

int backings_main(const char *name, const struct backing *some, size_t nsome, void (*test)(void **state))
{
	static struct backing copies[BACKINGS_MAX];
	struct CMUnitTest tests[BACKINGS_MAX];

	for (size_t i = 0; i < nsome; i++) {
		copies[i] = some[i];
		tests[i] = (struct CMUnitTest){ some[i].name, test, NULL, NULL, &copies[i] };
	}
	return lives_end(_cmocka_run_group_tests(name, tests, nsome, NULL, NULL));
}
