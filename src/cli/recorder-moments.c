/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sharing the page, and waiting for the process.
 */
#include "cli/recorder-moments.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ALWAYS (FALLOW_MOMENT_START | FALLOW_MOMENT_END)
#define PATH_LENGTH 64

bool fl_moments_create(struct fl_moments *moments)
{
	size_t length = (size_t)sysconf(_SC_PAGESIZE);
	char path[PATH_LENGTH];

	moments->fd = memfd_create("fallow recorder", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* What the process maps must not be cut short under it. */
	if (moments->fd < 0 || ftruncate(moments->fd, (off_t)length) != 0 ||
	    fcntl(moments->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		return false;
	void *page = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, moments->fd, 0);
	if (page == MAP_FAILED)
		return false;
	moments->page = page;
	moments->asked = 0;
	memcpy(moments->page->magic, FALLOW_RECORDER_MAGIC, sizeof(moments->page->magic));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), moments->fd);
	return setenv(FALLOW_RECORDER_VARIABLE, path, 1) == 0;
}

void fl_moments_expect(struct fl_moments *moments, int pid)
{
	moments->page->pid = (uint32_t)pid;
	fl_moments_want(moments, 0);
}

void fl_moments_want(struct fl_moments *moments, uint32_t wanted)
{
	__atomic_store_n(&moments->page->wanted, wanted | ALWAYS, __ATOMIC_RELEASE);
}

uint32_t fl_moments_wait(struct fl_moments *moments, uint64_t milliseconds)
{
	const struct timespec timeout = { (time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000 };
	uint32_t *asked = &moments->page->asked;

	if (__atomic_load_n(asked, __ATOMIC_ACQUIRE) == moments->asked)
		syscall(SYS_futex, asked, FUTEX_WAIT, moments->asked, &timeout, NULL, 0);
	moments->asked = __atomic_load_n(asked, __ATOMIC_ACQUIRE);
	return __atomic_exchange_n(&moments->page->pending, 0, __ATOMIC_ACQ_REL);
}

void fl_moments_answer(struct fl_moments *moments)
{
	if (__atomic_exchange_n(&moments->page->answered, moments->asked, __ATOMIC_ACQ_REL) != moments->asked)
		syscall(SYS_futex, &moments->page->answered, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void fl_moments_interrupt(struct fl_moments *moments)
{
	__atomic_add_fetch(&moments->page->asked, 1, __ATOMIC_ACQ_REL);
}

uint64_t fl_moments_failure(const struct fl_moments *moments)
{
	return __atomic_load_n(&moments->page->failure, __ATOMIC_ACQUIRE);
}
