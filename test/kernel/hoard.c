/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking everything, checking it, putting it back; see hoard.h.
 */
#include "test/kernel/hoard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/lib/place.h"
#include "test/lib/test.h"

#define PIECE (64UL << 10)
#define MAX_PIECES 65536

struct hoard_block {
	struct hoard_block *next;
	size_t number; /* from 1; the bytes after it are all of its lowest byte */
	unsigned char bytes[];
};

const struct hoard_sizes hoard_sizes[HOARD_NSIZES] = {
	{ "64 B", { 64 } },
	{ "1 KiB", { 1024 } },
	{ "20 KiB", { 20 << 10 } },
	{ "256 KiB", { 256 << 10 } },
	{ "1 MiB", { 1 << 20 } },
	{ "mixed", { 1 << 20, 64, 256 << 10, 1024, 20 << 10, 100, 5000 } },
};

static size_t payload(const struct heap *heap, struct hoard_block *block)
{
	return heap->usable(heap->handle, block) - offsetof(struct hoard_block, bytes);
}

static void keep(struct hoard *hoard, const struct heap *heap, struct hoard_block *block, size_t size)
{
	size_t usable = heap->usable(heap->handle, block);

	must_be_least(usable, size);
	block->next = hoard->first;
	block->number = ++hoard->nblocks;
	memset(block->bytes, (int)(block->number & 0xff), payload(heap, block));
	hoard->first = block;
	hoard->nasked += (long long)size;
	hoard->nbytes += (long long)usable;
}

static void must_be_no(const struct heap *heap, size_t size, enum fallow_reason reason)
{
	struct fallow_failure failure;

	must_equal(errno, ENOMEM);
	must_equal(heap->last_failure(&failure), 0);
	must_equal(failure.reason, reason);
	must_be_least(failure.requested, size);
}

void hoard_fill(struct hoard *hoard, const struct heap *heap, const struct hoard_sizes *sizes,
		enum fallow_reason reason, long long most)
{
	size_t left[HOARD_MAX_SIZES], nleft = 0, turn = 0;

	while (nleft < HOARD_MAX_SIZES && sizes->sizes[nleft] != 0) {
		left[nleft] = sizes->sizes[nleft];
		nleft++;
	}
	must(nleft > 0);
	*hoard = (struct hoard){ 0 };
	while (nleft > 0) {
		size_t size = left[turn %= nleft];
		struct hoard_block *block;

		errno = 0;
		block = heap->take(heap->handle, size);
		if (block != NULL) {
			keep(hoard, heap, block, size);
			must_be_most(hoard->nbytes, most);
			turn++;
		} else {
			must_be_no(heap, size, reason);
			memmove(left + turn, left + turn + 1, (--nleft - turn) * sizeof(left[0]));
		}
	}
}

void hoard_check(const struct hoard *hoard, const struct heap *heap)
{
	size_t nblocks = 0;

	for (struct hoard_block *block = hoard->first; block != NULL; block = block->next) {
		unsigned char byte = (unsigned char)block->number;
		size_t length = payload(heap, block);

		nblocks++;
		must_equal(block->number, hoard->nblocks + 1 - nblocks);
		must_equal(block->bytes[0], byte);
		must(memcmp(block->bytes, block->bytes + 1, length - 1) == 0);
	}
	must_equal(nblocks, hoard->nblocks);
}

void hoard_empty(struct hoard *hoard, const struct heap *heap)
{
	while (hoard->first != NULL) {
		struct hoard_block *block = hoard->first;

		hoard->first = block->next;
		heap->put(heap->handle, block);
	}
}

void hoard_must_be_most_of(const struct hoard *hoard, long long there, const char *what)
{
	printf("%s: %zu blocks, %lld bytes usable (%lld asked for) of %lld: %.2f %%\n", what, hoard->nblocks, hoard->nbytes,
	       hoard->nasked, there, 100.0 * (double)hoard->nbytes / (double)there);
	fflush(stdout);
	must(there > 0);
	must_be_least(hoard->nbytes * 100, there * 95);
}

long long hoard_mappable(void)
{
	static void *pieces[MAX_PIECES];
	size_t npieces = 0;

	while (npieces < MAX_PIECES) {
		void *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (piece == MAP_FAILED)
			break;
		pieces[npieces++] = piece;
	}
	must(npieces < MAX_PIECES);
	for (size_t i = 0; i < npieces; i++)
		munmap(pieces[i], PIECE);
	return (long long)(npieces * PIECE);
}

long long hoard_private(void)
{
	return test_machine_field("/proc/self/status", "VmData:") * 1024LL;
}

long long hoard_committable(void)
{
	static const char policy[] = "/proc/sys/vm/overcommit_memory";
	long long free_kb, kept_kb = test_machine_number("/proc/sys/vm/user_reserve_kbytes");
	int fd = open(policy, O_WRONLY | O_CLOEXEC);

	/* Setting it, though to what it is, has every processor hand in its count. */
	must(fd >= 0 && write(fd, "2", 1) == 1);
	close(fd);
	free_kb = test_machine_field("/proc/meminfo", "CommitLimit:") -
		  test_machine_field("/proc/meminfo", "Committed_AS:") -
		  test_machine_number("/proc/sys/vm/admin_reserve_kbytes");
	/* A 32nd part of what the process is when it has all, but no more than this. */
	if (kept_kb > (free_kb + test_machine_field("/proc/self/status", "VmSize:")) / 32)
		kept_kb = (free_kb + test_machine_field("/proc/self/status", "VmSize:")) / 32;
	return free_kb > kept_kb ? (free_kb - kept_kb) * 1024 : 0;
}
