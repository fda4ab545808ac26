/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file is known by its device and inode.
 */
#include "map/descriptor.h"

#include <errno.h>

#include "os/os.h"

int fl_descriptor_keep(struct fl_descriptor *d, int fd)
{
	struct stat stat;

	if (fd < 0)
		return fd;
	int result = fl_os_fstat(fd, &stat);
	if (result != 0)
		fl_os_close(fd);
	else
		*d = (struct fl_descriptor){ fd, stat.st_dev, stat.st_ino };
	return result;
}

bool fl_descriptor_is_ours(const struct fl_descriptor *d)
{
	struct stat stat;
	int result = fl_os_fstat(d->fd, &stat);

	return result == 0 ? stat.st_dev == d->device && stat.st_ino == d->inode : result != -EBADF;
}

void fl_descriptor_close(const struct fl_descriptor *d)
{
	if (fl_descriptor_is_ours(d))
		fl_os_close(d->fd);
}
