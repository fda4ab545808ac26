/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Backings: where a region's pages come from, and the calls that bring them in and really give them back on each.
 *
 * Guarantees. Populate is all or nothing: after a failure nothing in the range is populated. Every failure comes with
 * one reason, whatever the kernel called it. No call raises a signal for want of memory. Nothing here locks, counts or
 * decides when: callers own the ranges that they pass, which are whole pages of the backing.
 */
#ifndef FL_BACKING_BACKING_H
#define FL_BACKING_BACKING_H

#include <errno.h>

#include <fallow/types.h>

#include "base/base.h"
#include "diag/failure.h"

#define FL_NAME_LENGTH 32

/* A populate mode of the inside: as WRITE, in transparent huge pages, of which address and length are multiples. */
#define FL_POPULATE_COLLAPSE ((enum fallow_populate)(FALLOW_POPULATE_NONE + 1))
#define FL_COLLAPSED_SIZE (2 * FL_MIB)

struct fl_backing {
	enum fallow_backing kind;
	enum fallow_populate populate; /* never AUTO */
	enum fallow_fork fork;
	bool shared;
	bool huge;                     /* on hugetlb: pages from the pool, or a file on hugetlbfs */
	bool closed;                   /* activated without access, which the owner opens by mprotect */
	bool spilled;                  /* atomic: ordinary memory is, or was, in the place of some of its private huge pages */
	bool in_memory;                /* a file on tmpfs, or a memfd on small pages */
	bool had_storage;              /* the file was given to us with some */
	bool own_position;             /* nobody else's descriptor moves with ours when we seek */
	int fd;                        /* -1, or ours to close, if it still is what it was */
	uint64_t device, inode;        /* of the file that fd was opened as */
	int map_flags;                 /* MAP_HUGETLB and its size */
	int node;                      /* NUMA node, -1: any */
	size_t page_size;              /* bytes */
	uint64_t file_length;          /* bytes the file has; grown by activate */
	uint64_t own_from;             /* bytes: what lies before was in the file when it was given to us */
	char name[FL_NAME_LENGTH];     /* for mappings and memfds */
};

struct fl_backing_options {
	enum fallow_backing kind;
	enum fallow_share share;
	enum fallow_populate populate;
	enum fallow_fork fork;
	size_t page_size; /* 0: the backing's default */
	int fd;           /* FILE only: duplicated, or taken over when own_fd */
	bool own_fd;
	bool closed;
	int node;
	const char *name; /* may be NULL */
};

/*
 * 0 or -errno as fallow_arena_create() documents; nothing to clean up on failure but a taken over fd, which is closed.
 */
int fl_backing_create(struct fl_backing *backing, const struct fl_backing_options *options);

/*
 * *page_size 0 becomes the system's default huge page. -EINVAL: the system has no huge page of this size; -EOPNOTSUPP:
 * it has none at all; -EMFILE, -ENFILE, -ENOMEM, -EPERM: it cannot be asked.
 */
int fl_backing_huge_page(size_t *page_size);

/* Close the descriptor. Mappings are the region's to unmap. */
void fl_backing_destroy(struct fl_backing *backing);

/*
 * A program may close every descriptor that it does not know, and its next file then has our number. 0 while fd is the
 * file that it was; -EBADF when it is closed or another: keep off it; other errors when the kernel does not say. Whoever
 * closes and opens descriptors at this very moment is not found out.
 */
int fl_backing_check_fd(const struct fl_backing *backing);

/*
 * Make [address, address + length) accessible: pages offset.. of the backing. The range must be free address space
 * (reason ADDRESS_SPACE when it is not). Nothing is populated.
 */
struct fl_failure fl_backing_activate(struct fl_backing *backing, void *address, size_t length, uint64_t offset);

/* Bring in a range of which no page is present, as mode, which is not AUTO, says. */
struct fl_failure fl_backing_populate(const struct fl_backing *backing, enum fallow_populate mode, void *address,
				      size_t length, uint64_t offset);

/*
 * The same for a range that others may be using: pages that are present stay as they are. After a failure what came in
 * stays too. The reason was looked for while the backing was at its end.
 */
struct fl_failure fl_backing_bring_in(const struct fl_backing *backing, enum fallow_populate mode, void *address,
				      size_t length, uint64_t offset);

/*
 * Bring in an aligned unit of a huge page's length, of which nothing or a part is present, where there is little left: all of
 * it, or -errno with the process alive. -EBUSY and -ENOMEM: there is no such memory; -EOPNOTSUPP: it cannot be had this
 * way. Then the page at seed, which lies in the unit, may have come in nevertheless.
 */
int fl_backing_prove(const struct fl_backing *backing, void *unit, size_t length, void *seed);

/* Whether the above can be tried at all. */
bool fl_backing_can_prove(const struct fl_backing *backing);

/* Whether its pages are memory that nobody can reclaim: neither from a pool of huge pages nor cache of a disk's file. */
bool fl_backing_is_memory(const struct fl_backing *backing);

/*
 * Give the range's memory back; it then reads as zero. 0 or -errno, with an unknown part given back: -EBADF where that
 * takes the file's descriptor (private mappings of files, locked memory) and the program has closed it.
 */
int fl_backing_discard(const struct fl_backing *backing, void *address, size_t length, uint64_t offset);

/*
 * The first bytes at or after from, and before end, for which the file has storage: [*start, *stop), *stop at most end.
 * *start is end when there are none. Where a file's storage cannot be listed (hugetlbfs), all that was in it when it
 * was given to us counts as stored, unless it was empty. Nothing is stored without a file. 0 or -errno: -EBADF when the
 * descriptor is lost.
 */
int fl_backing_storage(const struct fl_backing *backing, uint64_t from, uint64_t end, uint64_t *start, uint64_t *stop);

/*
 * Of npages pages from offset on, set the bits of those that a file on huge pages has. 0, or -errno where the kernel does
 * not say, with some of the bits set: what is set is true.
 */
int fl_backing_find_huge(const struct fl_backing *backing, uint64_t offset, size_t npages, uint64_t *there);

/*
 * Make the file length bytes long. 0; -EPERM: a seal forbids it; -EFBIG: beyond RLIMIT_FSIZE or what the filesystem can
 * address; -ENOSPC; -EBADF: the descriptor is lost; with the file as it was. A file that is mapped privately never gets
 * shorter than it was given to us.
 */
int fl_backing_set_length(struct fl_backing *backing, uint64_t length);

/* Map a range of a private mapping anew, accessible and without a page. 0 or -errno: as it was. */
int fl_backing_remap(const struct fl_backing *b, void *address, size_t length, uint64_t offset);

/*
 * For private anonymous memory: discard it so that its commit charge goes too, which leaves it inaccessible; and make it
 * accessible again, as fl_backing_activate() had made it. 0 or -errno: as it was, though open may have got half way.
 */
int fl_backing_close(void *address, size_t length);
int fl_backing_open(const struct fl_backing *backing, void *address, size_t length);

/* Pages of the pool that are neither used nor promised; 0 where /sys does not say. Surplus pages do not count. */
uint64_t fl_backing_pool_free(size_t page_size);

/* Private huge pages: after a fork whoever writes to one needs another. */
static inline bool fl_backing_is_pooled(const struct fl_backing *b)
{
	return b->huge && !b->shared;
}

/* Pages of a range of such a backing that are there, and the pool's. */
size_t fl_backing_count_pooled(const struct fl_backing *b, void *address, size_t length);

/* Of these, those that other processes map as well. None where /proc does not say. */
size_t fl_backing_count_shared(const struct fl_backing *b, void *address, size_t length);

/*
 * Put ordinary memory in their place, with what they hold. Threads that write to them wait meanwhile, by fd, a userfaultfd;
 * -1: there are none. The caller keeps others from discarding, and blocks signals. 0 or -errno: -ENOMEM, -EBUSY: no such
 * memory, or somebody else's userfaultfd has the range; what was done so far stays done. Discarding puts the pool's pages
 * back.
 */
int fl_backing_spill(struct fl_backing *b, void *address, size_t length, int fd);

/* The kernel, or a filter of system calls before it, will not do this at all, whatever there is of memory. */
static inline bool fl_backing_is_refusal(int error)
{
	return error == -EINVAL || error == -EPERM || error == -EACCES || error == -ENOSYS || error == -EBADF;
}

/* The reason for a kernel's -errno when mapping (mapping true) or populating on this backing. */
struct fl_failure fl_backing_diagnose(const struct fl_backing *backing, int error, bool mapping) FL_COLD;

#endif
