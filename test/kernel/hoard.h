/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hoard: everything that a heap gives until it says no, with every byte of it written and later checked.
 *
 * It lives in a child in a place (test/lib/place.h): what must hold and does not ends the process with exit status 1. The
 * list of blocks is kept in the blocks, so that the hoard needs no memory of its own.
 */
#ifndef TEST_KERNEL_HOARD_H
#define TEST_KERNEL_HOARD_H

#include <stddef.h>

#include <fallow/stats.h>

/* A heap as its user sees it. */
struct heap {
	void *(*take)(void *handle, size_t size);
	void (*put)(void *handle, void *block);
	size_t (*usable)(void *handle, void *block);
	int (*last_failure)(struct fallow_failure *failure);
	void *handle;
};

#define HOARD_MAX_SIZES 8

/* Sizes of blocks that are asked for in turn, each at least 64 bytes; ended by 0. */
struct hoard_sizes {
	const char *name;
	size_t sizes[HOARD_MAX_SIZES];
};

/* Each size by itself, then all mixed. */
#define HOARD_NSIZES 6
extern const struct hoard_sizes hoard_sizes[HOARD_NSIZES];

struct hoard {
	struct hoard_block *first; /* the youngest */
	size_t nblocks;
	long long nasked;  /* bytes asked for */
	long long nbytes;  /* bytes that may be used, as the heap says: what size classes round up to is had as well */
};

/*
 * Take blocks until the heap says no to every size, write every usable byte. Each no must be NULL with ENOMEM and must
 * leave the reason and the size that was asked for; fails when more than most bytes are had, for then there is no end.
 */
void hoard_fill(struct hoard *hoard, const struct heap *heap, const struct hoard_sizes *sizes,
		enum fallow_reason reason, long long most);

/* Every byte is as it was written. */
void hoard_check(const struct hoard *hoard, const struct heap *heap);

/* Put every block back. */
void hoard_empty(struct hoard *hoard, const struct heap *heap);

/* Say on stdout what part of there the hoard is; what: a word or two. Must be at least 95 %. */
void hoard_must_be_most_of(const struct hoard *hoard, long long there, const char *what);

/* Bytes of private memory that mmap still gives, in pieces of 64 KiB; all given back again. */
long long hoard_mappable(void);

/*
 * Bytes that this process, without CAP_SYS_ADMIN, may still commit under overcommit_memory=2: the limit without what is
 * committed, what is kept for the administrator, and what is kept of each process (a part of its size). Reckoned and
 * not tried out, for the kernel keeps its count by processor and is wrong by up to 0.4 % of the machine's memory after
 * each try; what it keeps is made exact by this call.
 */
long long hoard_committable(void);

/* Bytes of private writable memory that this process has mapped: nearly all that it has committed itself. */
long long hoard_private(void);

#endif
