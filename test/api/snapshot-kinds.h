/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of maps of any kind for tests: an image in a memfd, and what a page holds compared with what it held.
 */
#ifndef TEST_API_SNAPSHOT_KINDS_H
#define TEST_API_SNAPSHOT_KINDS_H

#include <errno.h>

#include "test/api/map-kinds.h"

/* Ordinary files cannot be write-protected. */
static inline bool snapshot_can(const struct map_kind *kind)
{
	return kind->backing != FALLOW_BACKING_FILE || kind->on_tmpfs;
}

/* Ends the test as skipped where userfaultfd is not to be had. */
static inline void snapshot_need(void)
{
	struct map_kind kind = { "anonymous", FALLOW_BACKING_ANON, FALLOW_SHARE_PRIVATE, false };
	struct fallow_map_options options = map_options(&kind, 1 << 20);
	struct fallow_map *map = map_create(&options);
	struct fallow_snapshot *snapshot;
	int fd = memfd_create("image", MFD_CLOEXEC);
	int result = fallow_snapshot_take(map, fd, NULL, &snapshot);

	if (result == -EPERM || result == -EOPNOTSUPP)
		test_skip("no userfaultfd for this user on this kernel");
	must_equal(result, 0);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	close(fd);
	map_end(map, &options);
}

static inline struct fallow_snapshot *snapshot_take(struct fallow_map *map, int fd)
{
	struct fallow_snapshot *snapshot = NULL;

	must_equal(fallow_snapshot_take(map, fd, NULL, &snapshot), 0);
	return snapshot;
}

static inline struct fallow_snapshot_stat snapshot_progress(struct fallow_snapshot *snapshot)
{
	struct fallow_snapshot_stat stat = FALLOW_SNAPSHOT_STAT_INIT;

	must_equal(fallow_snapshot_progress(snapshot, &stat), 0);
	return stat;
}

/* An anonymous map of length bytes made from the image, which is read from its start. */
static inline struct fallow_map *snapshot_restored(int image, size_t length)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = length;
	struct fallow_map *map = map_create(&options);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_restore(map, image, NULL), 0);
	return map;
}

/* How many pages of the map the kernel keeps write-protected for a userfaultfd. */
static inline size_t snapshot_nprotected(struct fallow_map *map)
{
	FILE *file = fopen("/proc/self/pagemap", "re");
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	uint64_t entry;

	/* Entries are read whole or not at all: musl's buffers would cut them. */
	must(file != NULL && setvbuf(file, NULL, _IONBF, 0) == 0);
	must(fseek(file, (long)((uintptr_t)fallow_map_base(map) / page * 8), SEEK_SET) == 0);
	for (size_t i = 0; i < fallow_map_size(map) / page; i++) {
		must_equal(fread(&entry, sizeof(entry), 1, file), 1);
		n += entry >> 57 & 1;
	}
	fclose(file);
	return n;
}

#endif
