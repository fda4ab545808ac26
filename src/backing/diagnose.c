/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One reason for what the kernel says in many ways. Runs after a failure only: it may read files, and where it cannot,
 * it names the most likely reason.
 */
#include <errno.h>
#include <string.h>

#include "backing/backing.h"
#include "base/format.h"
#include "os/kernel.h"
#include "os/os.h"

#define TEXT_LENGTH 1024

/* The beginning of a small file as text, "" when it cannot be read. */
static void read_text(const char *path, char text[static TEXT_LENGTH])
{
	ssize_t length = -1;
	int fd = fl_os_open(path, O_RDONLY, 0);

	if (fd >= 0) {
		length = fl_os_read(fd, text, TEXT_LENGTH - 1);
		fl_os_close(fd);
	}
	text[length > 0 ? length : 0] = '\0';
}

/* The first number in a file; fallback when there is none. */
static uint64_t read_number(const char *path, uint64_t fallback)
{
	char text[TEXT_LENGTH];
	uint64_t value;

	read_text(path, text);
	return fl_parse_number(text, &value) ? value : fallback;
}

uint64_t fl_backing_pool_free(size_t page_size)
{
	char path[100];
	uint64_t nfree, npromised;

	fl_format(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/free_hugepages", page_size / FL_KIB);
	nfree = read_number(path, 0);
	fl_format(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/resv_hugepages", page_size / FL_KIB);
	npromised = read_number(path, 0);
	return nfree > npromised ? nfree - npromised : 0;
}

static enum fallow_reason diagnose_huge(const struct fl_backing *b)
{
	struct statfs fs;

	if (fl_backing_pool_free(b->page_size) == 0)
		return FALLOW_REASON_POOL_EMPTY;
	if (b->fd >= 0 && fl_os_fstatfs(b->fd, &fs) == 0 && fs.f_blocks > 0 && fs.f_bavail == 0)
		return FALLOW_REASON_TMPFS_FULL;
	return FALLOW_REASON_HUGETLB_CGROUP;
}

static enum fallow_reason diagnose_file(const struct fl_backing *b, int error)
{
	struct statfs fs;
	/* Less than this left counts as full: filesystems keep the last blocks to themselves. */
	const uint64_t few = 64 * FL_KIB;

	if (error == -EFBIG)
		return FALLOW_REASON_RLIMIT;
	if (fl_os_fstatfs(b->fd, &fs) != 0)
		return FALLOW_REASON_FAULT;
	bool tmpfs = fs.f_type == TMPFS_MAGIC;
	if (tmpfs && fs.f_blocks == 0)
		return FALLOW_REASON_SYSTEM_MEMORY;
	if (error == -ENOSPC || error == -EDQUOT || (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < few)
		return tmpfs ? FALLOW_REASON_TMPFS_FULL : FALLOW_REASON_DISK_FULL;
	return error == -ENOMEM ? FALLOW_REASON_SYSTEM_MEMORY : FALLOW_REASON_FAULT;
}

/* Total mappings count against RLIMIT_AS, private writable ones against RLIMIT_DATA: near either is near enough. */
static bool rlimit_is_near(void)
{
	static const int resources[] = { RLIMIT_AS, RLIMIT_DATA };
	static const char *const labels[] = { "VmSize:", "VmData:" };
	char status[TEXT_LENGTH];
	struct rlimit limit;

	read_text("/proc/thread-self/status", status);
	for (size_t i = 0; i < FL_LENGTH(resources); i++) {
		uint64_t used_kib;
		if (fl_os_getrlimit(resources[i], &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
			continue;
		const char *at = strstr(status, labels[i]);
		if (at == NULL)
			return true;
		for (at += strlen(labels[i]); *at == ' ' || *at == '\t'; at++)
			;
		if (!fl_parse_number(at, &used_kib) || used_kib * FL_KIB + limit.rlim_cur / 16 + FL_MIB >= limit.rlim_cur)
			return true;
	}
	return false;
}

static enum fallow_reason diagnose_mapping(void)
{
	if (rlimit_is_near())
		return FALLOW_REASON_RLIMIT;
	if (read_number("/proc/sys/vm/overcommit_memory", 0) == 2)
		return FALLOW_REASON_COMMIT_LIMIT;
	return FALLOW_REASON_MAP_COUNT;
}

static enum fallow_reason reason(const struct fl_backing *b, int error, bool mapping)
{
	if (fl_backing_is_refusal(error))
		return FALLOW_REASON_FAULT;
	if (mapping && (error == -ENOMEM || error == -EAGAIN))
		return diagnose_mapping();
	if (b->huge)
		return diagnose_huge(b);
	if (b->fd >= 0)
		return diagnose_file(b, error);
	return error == -ENOMEM ? FALLOW_REASON_MEMORY_CGROUP : FALLOW_REASON_FAULT;
}

struct fl_failure fl_backing_diagnose(const struct fl_backing *b, int error, bool mapping)
{
	return (struct fl_failure){ reason(b, error, mapping), error };
}
