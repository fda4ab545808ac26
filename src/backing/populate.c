/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing pages in so that a lack of them is an error and not a signal, and giving them back.
 *
 * MADV_POPULATE_WRITE and _READ (5.14) say EFAULT where a touch would raise SIGBUS, but leave what they got before the
 * end; so a failure discards the whole range. They do not stop for signals and hold the address space's lock for reading
 * all along: a range is cut into calls of CHUNK bytes. Where they are refused, by an older kernel (EINVAL) or a filter of
 * system calls, pages that are new are touched by process_vm_writev into the own process, and where that is refused too
 * (some containers do), by read(2) of /dev/zero. Pages that may hold something are touched by a word that is written as
 * it is, which takes a call each, or read.
 *
 * Memory of a shared file is given back by address (MADV_REMOVE), as the descriptor may be the program's by now.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "backing/backing.h"
#include "os/kernel.h"
#include "os/os.h"

#define CHUNK (4 * FL_MIB)
#define NRETRIES 16
#define NPIECES 64

/* Write one zero byte into each page: the pages are new, so this changes nothing else. */
static int touch_by_write(char *address, size_t length, size_t page_size)
{
	static const char zeros[NPIECES];

	while (length > 0) {
		struct iovec pieces[NPIECES];
		size_t n = 0;
		for (; n < NPIECES && n * page_size < length; n++)
			pieces[n] = (struct iovec){ address + n * page_size, 1 };
		struct iovec from = { (char *)zeros, n };
		ssize_t written = fl_os_write_self(&from, 1, pieces, n);
		if (written < 0)
			return (int)written;
		if ((size_t)written < n)
			return -EFAULT;
		address += n * page_size;
		length -= n * page_size;
	}
	return 0;
}

/* Read one zero byte into each page. */
static int touch_by_zeros(char *address, size_t length, size_t page_size)
{
	int result = 0, zeros = fl_os_open("/dev/zero", O_RDONLY, 0);

	if (zeros < 0)
		return zeros;
	for (size_t at = 0; at < length && result == 0; at += page_size) {
		ssize_t n = fl_os_read(zeros, address + at, 1);
		if (n != 1)
			result = n < 0 ? (int)n : -EFAULT;
	}
	fl_os_close(zeros);
	return result;
}

static int touch_new(char *address, size_t length, size_t page_size)
{
	int result = touch_by_write(address, length, page_size);

	return fl_backing_is_refusal(result) ? touch_by_zeros(address, length, page_size) : result;
}

static int touch_by_rewrite(char *address, size_t length, size_t page_size)
{
	int result = 0;

	for (size_t at = 0; at < length && result == 0; at += page_size)
		result = fl_os_rewrite_word(address + at);
	return result;
}

static int touch_by_read(char *address, size_t length, size_t page_size)
{
	char byte;
	int result = 0;

	for (size_t at = 0; at < length && result >= 0; at += page_size)
		result = (int)fl_os_read_self(&(struct iovec){ &byte, 1 }, 1, &(struct iovec){ address + at, 1 }, 1);
	return result < 0 ? result : 0;
}

enum pages {
	NEW,
	USED, /* some may hold something, and others may be writing to them */
};

static int populate_chunk(const struct fl_backing *b, char *address, size_t length, int advice, enum pages pages)
{
	int result = -EAGAIN;

	for (int i = 0; i < NRETRIES && (result == -EAGAIN || result == -EINTR); i++)
		result = fl_os_madvise(address, length, advice);
	if (!fl_backing_is_refusal(result))
		return result;
	if (pages == NEW)
		return touch_new(address, length, b->page_size);
	if (advice == MADV_POPULATE_READ)
		return touch_by_read(address, length, b->page_size);
	return touch_by_rewrite(address, length, b->page_size);
}

/* fallocate stops for signals. Going on from the start is harmless, but between a timer's signals it may never end. */
static int allocate_chunk(const struct fl_backing *b, uint64_t offset, size_t length)
{
	sigset_t all, old;
	int result = fl_os_fallocate(b->fd, 0, offset, length);

	if (result != -EINTR)
		return result;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < NRETRIES && result == -EINTR; i++)
		result = fl_os_fallocate(b->fd, 0, offset, length);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return result;
}

/* In pieces: signals are not held up for long. */
static int allocate(const struct fl_backing *b, uint64_t offset, size_t length)
{
	size_t chunk = fl_max(CHUNK, b->page_size);
	int result = fl_backing_check_fd(b);

	for (size_t done = 0; done < length && result == 0; done += chunk)
		result = allocate_chunk(b, offset + done, fl_min(chunk, length - done));
	return result;
}

/* One huge page in place of what is there, holes included. MADV_COLLAPSE leaves a shared one to be mapped for writing. */
static int collapse_one(const struct fl_backing *b, char *address)
{
	int result = fl_backing_prove(b, address, FL_COLLAPSED_SIZE, address);

	if (result == 0)
		result = populate_chunk(b, address, FL_COLLAPSED_SIZE, MADV_POPULATE_WRITE, USED);
	return result == -EBUSY || result == -EAGAIN ? -ENOMEM : result;
}

static int collapse(const struct fl_backing *b, char *address, size_t length)
{
	int result = 0;

	for (size_t done = 0; done < length && result == 0; done += FL_COLLAPSED_SIZE)
		result = collapse_one(b, address + done);
	return result;
}

static int punch_hole(const struct fl_backing *b, uint64_t offset, size_t length)
{
	int result = fl_backing_check_fd(b);

	if (result != 0)
		return result;
	result = -EINTR;
	for (int i = 0; i < NRETRIES && result == -EINTR; i++)
		result = fl_os_fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
	return result;
}

/*
 * Writing to a private mapping of a memfd gives the file a page of zeros first, and then the process a copy of it: twice the
 * memory. The file's is of no use to anybody where the file is ours. On hugetlb there is none.
 */
static bool pays_twice_for_nothing(const struct fl_backing *b, int advice)
{
	return advice == MADV_POPULATE_WRITE && b->kind == FALLOW_BACKING_MEMFD && !b->shared && !b->huge;
}

static int populate(const struct fl_backing *b, enum fallow_populate mode, char *address, size_t length,
		    uint64_t offset, enum pages pages)
{
	if (mode == FL_POPULATE_COLLAPSE)
		return collapse(b, address, length);
	if (mode == FALLOW_POPULATE_ALLOCATE) {
		int result = allocate(b, offset, length);
		if (result != -EOPNOTSUPP)
			return result;
	}
	int advice = mode == FALLOW_POPULATE_READ ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;
	size_t chunk = fl_max(CHUNK, b->page_size);
	for (size_t done = 0; done < length; done += chunk) {
		size_t n = fl_min(chunk, length - done);
		int result = populate_chunk(b, address + done, n, advice, pages);
		if (result != 0)
			return result;
		if (pays_twice_for_nothing(b, advice))
			punch_hole(b, offset + done, n);
	}
	return 0;
}

struct fl_failure fl_backing_populate(const struct fl_backing *b, enum fallow_populate mode, void *address,
				      size_t length, uint64_t offset)
{
	if (mode == FALLOW_POPULATE_NONE)
		return (struct fl_failure){ FALLOW_REASON_NONE, 0 };
	int result = populate(b, mode, address, length, offset, NEW);
	if (result == 0)
		return (struct fl_failure){ FALLOW_REASON_NONE, 0 };
	struct fl_failure failure = fl_backing_diagnose(b, result, false);
	fl_backing_discard(b, address, length, offset);
	return failure;
}

struct fl_failure fl_backing_bring_in(const struct fl_backing *b, enum fallow_populate mode, void *address,
				      size_t length, uint64_t offset)
{
	int result = populate(b, mode, address, length, offset, USED);

	return result == 0 ? (struct fl_failure){ FALLOW_REASON_NONE, 0 } : fl_backing_diagnose(b, result, false);
}

static int advise(void *address, size_t length, int advice)
{
	int result = -EAGAIN;

	for (int i = 0; i < NRETRIES && (result == -EAGAIN || result == -EINTR); i++)
		result = fl_os_madvise(address, length, advice);
	/* Memory that the program has locked. */
	if (result == -EINVAL && advice == MADV_DONTNEED)
		result = fl_os_madvise(address, length, MADV_DONTNEED_LOCKED);
	return result;
}

/* In a mapping of which a part may have been spilled: all of it is the pool's again. */
static int remap(const struct fl_backing *b, void *address, size_t length, uint64_t offset)
{
	int result = b->fd < 0 ? 0 : fl_backing_check_fd(b);

	return result == 0 ? fl_backing_remap(b, address, length, offset) : result;
}

static int discard_private(const struct fl_backing *b, void *address, size_t length, uint64_t offset)
{
	if (__atomic_load_n(&b->spilled, __ATOMIC_ACQUIRE) && remap(b, address, length, offset) == 0)
		return 0;
	return advise(address, length, MADV_DONTNEED);
}

int fl_backing_discard(const struct fl_backing *b, void *address, size_t length, uint64_t offset)
{
	int result = b->shared ? advise(address, length, MADV_REMOVE) : discard_private(b, address, length, offset);
	if (b->fd < 0)
		return result;
	/* Locked memory is EINVAL, but may be punched out. */
	if (b->shared)
		return result == 0 ? 0 : punch_hole(b, offset, length);
	/* A private mapping has copies of its own beside the file's pages; what lies in a user's file from before stays. */
	uint64_t from = offset > b->own_from ? offset : b->own_from;
	if (result == 0 && from < offset + length)
		result = punch_hole(b, from, (size_t)(offset + length - from));
	return result;
}
