/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing memory in by a path that the OOM killer never answers.
 *
 * A memory cgroup is charged for a huge page without the killer: the charge reclaims what it can, or fails. A populate of
 * small pages next to a limit ends in SIGKILL. MADV_COLLAPSE (6.1) makes a huge page of whatever is in a unit, also where
 * transparent huge pages are switched off, if at least one page is there: the seed, which is brought in beforehand and with
 * the page table that it lies in is all that is left to chance.
 *
 * Seen on 6.1, 6.12, 6.18 and 7.2: EBUSY when the group is full, ENOMEM when the system is. EINVAL: the process or the
 * mapping may have no huge pages.
 */
#include <errno.h>

#include "backing/backing.h"
#include "os/kernel.h"
#include "os/os.h"

#define NRETRIES 16

bool fl_backing_can_prove(const struct fl_backing *b)
{
	if (b->huge || b->page_size != fl_os_page_size())
		return false;
	return (b->kind == FALLOW_BACKING_ANON && !b->shared) || (b->kind == FALLOW_BACKING_MEMFD && b->shared);
}

int fl_backing_prove(const struct fl_backing *b, void *unit, size_t length, void *seed)
{
	int result = -EAGAIN;

	for (int i = 0; i < NRETRIES && (result == -EAGAIN || result == -EINTR); i++) {
		result = fl_os_madvise(seed, b->page_size, MADV_POPULATE_WRITE);
		if (result == 0)
			result = fl_os_madvise(unit, length, MADV_COLLAPSE);
	}
	return result == -EINVAL ? -EOPNOTSUPP : result;
}
