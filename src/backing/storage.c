/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which parts of a file have storage, asked of the filesystem.
 *
 * FIEMAP (ext4, xfs, btrfs) knows extents that were allocated and never written; SEEK_DATA (tmpfs, memfd, any other)
 * takes those for holes, and nothing is lost in them but the promise of storage. hugetlbfs has neither. Seeking moves
 * the file position of all duplicates of a descriptor: only what is open for us alone is asked that way.
 */
#include <errno.h>
#include <unistd.h>

#include "backing/backing.h"
#include "os/kernel.h"
#include "os/os.h"

/* What a file without a list holds. */
static int unlisted(const struct fl_backing *b, uint64_t from, uint64_t end, uint64_t *start, uint64_t *stop)
{
	bool stored = b->had_storage && from < b->own_from;

	*start = stored ? from : end;
	*stop = stored ? fl_min(end, b->own_from) : end;
	return 0;
}

static int by_extents(int fd, uint64_t from, uint64_t end, uint64_t *start, uint64_t *stop)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} request = { .map = { .fm_start = from, .fm_length = end - from, .fm_extent_count = 1 } };
	long result = fl_os_ioctl(fd, FS_IOC_FIEMAP, &request);

	if (result < 0)
		return (int)result;
	*start = *stop = end;
	if (request.map.fm_mapped_extents != 0) {
		const struct fiemap_extent *extent = request.map.fm_extents;
		*start = fl_max(extent->fe_logical, from);
		*stop = fl_min(extent->fe_logical + extent->fe_length, end);
	}
	return 0;
}

/* Beyond the end of the file there is nothing: ENXIO. */
static int by_seeking(int fd, uint64_t from, uint64_t end, uint64_t *start, uint64_t *stop)
{
	int64_t data = fl_os_lseek(fd, from, SEEK_DATA);

	*start = *stop = end;
	if (data == -ENXIO || data >= (int64_t)end)
		return 0;
	if (data < 0)
		return (int)data;
	int64_t hole = fl_os_lseek(fd, (uint64_t)data, SEEK_HOLE);
	if (hole < 0)
		return (int)hole;
	*start = (uint64_t)data;
	*stop = fl_min((uint64_t)hole, end);
	return 0;
}

int fl_backing_storage(const struct fl_backing *b, uint64_t from, uint64_t end, uint64_t *start, uint64_t *stop)
{
	if (b->fd < 0 || b->huge)
		return unlisted(b, from, end, start, stop);
	int result = fl_backing_check_fd(b);
	if (result != 0)
		return result;
	result = by_extents(b->fd, from, end, start, stop);
	if (result == 0 || result == -ENOMEM)
		return result;
	if (!b->own_position)
		return unlisted(b, from, end, start, stop);
	return by_seeking(b->fd, from, end, start, stop);
}
