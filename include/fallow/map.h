/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps: sparse memory that is populated and discarded in place, page range by page range, while it is in use.
 *
 * A map is a range of addresses on a backing of the user's choice. It costs nothing until something is populated: 64
 * TiB are created in less than a millisecond. Populating says no where a touch would end in SIGBUS or in a kill, and a
 * populate that fails leaves residency as it was. Offsets and lengths are bytes from the map's start, multiples of its
 * page size.
 *
 * Any thread may call anything at any time, but for destroying a map that others use. Calls on ranges that do not
 * overlap run side by side; calls on ranges that do run one after the other, in the order in which they came.
 *
 * A page counts as populated from the fallow_map_populate() that brings it in until it is discarded. Touching a page
 * that is not populated brings it in by a fault, which the map does not count and which may end in SIGBUS; a map with a
 * guard makes it SIGSEGV instead.
 *
 * A file belongs to whoever may write to it: one that others cut short takes its pages with it, populated or not, and then
 * a touch of what lies beyond its end is SIGBUS. Nothing here can keep that from happening; a memfd that is sealed against
 * shrinking (F_SEAL_SHRINK) can.
 */
#ifndef FALLOW_MAP_H
#define FALLOW_MAP_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fallow_map;

/* What touching a page does that is not populated. */
enum fallow_guard {
	FALLOW_GUARD_NONE, /* a fault brings the page in, if the backing has one */
	FALLOW_GUARD_TRAP, /* SIGSEGV; system calls answer EFAULT */
};

struct fallow_map_options {
	size_t size;                   /* of this struct: set by FALLOW_MAP_OPTIONS_INIT */
	enum fallow_backing backing;
	enum fallow_share share;       /* SHARED: others who have the memfd or file, and children of fork, see the same bytes */
	enum fallow_populate populate; /* what FALLOW_POPULATE_AUTO means for this map; AUTO or NONE here: WRITE */
	enum fallow_guard guard;
	enum fallow_thp thp;           /* private ordinary memory; ALWAYS: a populate may bring in the whole huge page around
	                                * what was asked for, and counts what was asked for; one for reading takes the huge
	                                * zero page (up to Linux 6.12, what is written to it later is small pages). AUTO: as
	                                * the system is set */
	enum fallow_fork fork;         /* for private huge pages */
	int fd;                        /* FALLOW_BACKING_FILE: the file, open for reading and writing; the map opens it anew.
	                                * It is made longer when length or a resize asks for it */
	int node;                      /* NUMA node, -1: any */
	size_t page_size;              /* bytes, 0: the backing's default; else one that the backing offers */
	size_t length;                 /* bytes, rounded up to pages; 0 with a file: what it has */
	size_t reserve;                /* bytes of addresses that fallow_map_resize() may grow into; less than length: length */
	size_t limit;                  /* bytes populated at most, rounded down to pages; 0: none */
	const char *name;              /* shown in /proc/PID/maps for anonymous memory; copied, at most 31 bytes; may be NULL */
};

#ifdef __cplusplus
static inline fallow_map_options fallow_map_options_init(void)
{
	fallow_map_options o = fallow_map_options();
	o.size = sizeof(o);
	o.fd = -1;
	o.node = -1;
	return o;
}
#define FALLOW_MAP_OPTIONS_INIT fallow_map_options_init()
#else
#define FALLOW_MAP_OPTIONS_INIT                                                                                        \
	{ .size = sizeof(struct fallow_map_options), .fd = -1, .node = -1 }
#endif

/*
 * Create a map. Nothing is populated yet. What a file holds is there to be read; a private map leaves it as it is.
 * -EINVAL: a field out of range, no length, a page size the backing does not have, a struct of a size this library does
 * not know. -EBADF: fd is not open; -EACCES: not for reading and writing; -ENODEV: fd is no file that can be mapped;
 * -EPERM: a seal keeps the file from being made as long as asked; -EFBIG, -ENOSPC: RLIMIT_FSIZE or the filesystem does.
 * -EOPNOTSUPP: a combination the kernel does not offer. -ENOMEM: no address space, a limit on it (RLIMIT_AS;
 * RLIMIT_DATA and vm.overcommit_memory=2 count private memory without a guard as a whole), or metadata;
 * fallow_last_failure() says which.
 */
FALLOW_API int fallow_map_create(const struct fallow_map_options *options, struct fallow_map **map);

/*
 * Give the memory back and release the addresses; a shared file keeps what was written. No thread may be using the map.
 * 0, also for NULL. -EBUSY: a snapshot is being taken of it (fallow/snapshot.h); it lives on.
 */
FALLOW_API int fallow_map_destroy(struct fallow_map *map);

/* The address of offset 0, aligned to 1 GiB where the system has that much to spare. Fixed for the life of the map. */
FALLOW_API void *fallow_map_base(const struct fallow_map *map);

/* Bytes from the start to the end, as created or resized last. */
FALLOW_API size_t fallow_map_size(const struct fallow_map *map);

/* Bytes in a page. */
FALLOW_API size_t fallow_map_page_size(const struct fallow_map *map);

/*
 * Populate a range. mode WRITE: no later write can fail (promise P1); READ: no later read can, and what is read only
 * costs no memory where the kernel has a zero page, and dirties no file; ALLOCATE: the file has storage for the range,
 * while page tables are left to faults; AUTO: the map's own mode. Pages that were there keep their content.
 *
 * 0, with every page of the range populated. -ENOMEM: the backing or the limit says no (fallow_last_failure() says
 * which); -EFAULT: the file was cut short by others. After a failure what this call brought in is gone again, and pages
 * that were there before still are, with their content; those that were there for reading only may have become
 * writable. -EINVAL: not whole pages, beyond the map's end, no such mode. -EOPNOTSUPP: ALLOCATE where there is no
 * shared file, or on a filesystem that cannot promise storage. A length of 0 does nothing.
 *
 * Where /proc is not mounted or closed to the process, it cannot be told what private ordinary memory was there before: then
 * what came in stays after a failure, uncounted until it is discarded.
 */
FALLOW_API int fallow_map_populate(struct fallow_map *map, size_t offset, size_t length, enum fallow_populate mode);

/*
 * Put huge pages in place of small ones, where a table that began sparse has filled up. The huge pages of 2 MiB that lie
 * in the range as a whole are populated for writing, what was not there with zeros; all counts against the limit. What
 * lies before and behind them is left as it is.
 *
 * 0: all of them are huge. -ENOMEM: no huge page to be had, the limit, or pages that the kernel is using at the moment;
 * residency is as it was, but for pages that were there and have become parts of huge ones. -EOPNOTSUPP: not private
 * ordinary memory, a memfd or a shared file on tmpfs, on small pages; FALLOW_THP_NEVER; before Linux 6.1. -EINVAL: not
 * whole pages, or beyond the map's end.
 */
FALLOW_API int fallow_map_collapse(struct fallow_map *map, size_t offset, size_t length);

/*
 * Told now and then how many bytes of the range are populated, in the thread that called. Returns false to cancel. It
 * must not populate, discard or resize the same map.
 */
typedef bool fallow_progress_fn(struct fallow_map *map, size_t done, size_t total, void *context);

struct fallow_populate_options {
	size_t size;                   /* of this struct: set by FALLOW_POPULATE_OPTIONS_INIT */
	enum fallow_populate mode;
	unsigned int nthreads;         /* at most, the caller included; 0: as many as this machine and the range deserve */
	fallow_progress_fn *progress;  /* may be NULL */
	void *context;                 /* for progress */
};

#ifdef __cplusplus
static inline fallow_populate_options fallow_populate_options_init(void)
{
	fallow_populate_options o = fallow_populate_options();
	o.size = sizeof(o);
	return o;
}
#define FALLOW_POPULATE_OPTIONS_INIT fallow_populate_options_init()
#else
#define FALLOW_POPULATE_OPTIONS_INIT                                                                                   \
	{ .size = sizeof(struct fallow_populate_options) }
#endif

/*
 * The same with several threads, progress and cancel, for ranges of many megabytes. -ECANCELED: progress returned
 * false; that, too, is a failure that leaves residency as it was. A thread that cannot be started is no failure.
 */
FALLOW_API int fallow_map_populate_with(struct fallow_map *map, size_t offset, size_t length,
					const struct fallow_populate_options *options);

/*
 * Give the memory of a range back to where it came from. It then reads as zero (a private map of a file: as what the
 * file held when the map was created), or traps when the map has a guard. A shared file gets a hole, for all who have
 * it. -EINVAL: not whole pages, or beyond the map's end. -EOPNOTSUPP: a filesystem that cannot punch holes; nothing is
 * changed. -ENOMEM: the memory is given back, but the kernel has no mapping left for the guard: a touch finds zeros.
 */
FALLOW_API int fallow_map_discard(struct fallow_map *map, size_t offset, size_t length);

/* What the kernel knows of a page; several may hold. None holds for a page that is not there at all. */
enum fallow_page_state {
	FALLOW_PAGE_POPULATED = 1, /* in this process's page table: reading it is no fault */
	FALLOW_PAGE_ZERO = 2,      /* of those, the shared zero page, which costs no memory; Linux 6.7 */
	FALLOW_PAGE_HUGE = 4,      /* of those, mapped as a part of a huge page; Linux 6.7 */
	FALLOW_PAGE_SWAPPED = 8,   /* in swap; not seen for shared memory */
	FALLOW_PAGE_CACHED = 16,   /* in memory, as the file's, but not in the page table: reading it is a small fault.
	                            * Not seen on hugetlbfs */
};

struct fallow_map_range {
	size_t offset;       /* bytes */
	size_t length;       /* bytes */
	unsigned int states; /* enum fallow_page_state, added up; never 0 */
};

/*
 * Residency of a range as the kernel tells it: maximal ranges of pages of the same states, in order, without those that
 * are not there. *nranges is how many ranges there is room for, and on return how many were filled in: when that is all
 * of them, go on from the end of the last. Not a picture of one instant when others populate and discard meanwhile.
 * -EINVAL: not whole pages, beyond the map's end, room for none. -EOPNOTSUPP: without /proc. -ENOMEM.
 */
FALLOW_API int fallow_map_residency(struct fallow_map *map, size_t offset, size_t length,
				    struct fallow_map_range *ranges, size_t *nranges);

/*
 * The same as a bitmap: bit i % 64 of word i / 64 says whether the range's page i has any of the states. All words that
 * hold a page of the range are written, bits beyond it as 0.
 */
FALLOW_API int fallow_map_bitmap(struct fallow_map *map, size_t offset, size_t length, unsigned int states,
				 uint64_t *bitmap);

/*
 * Make the map length bytes long, rounded up to pages. What is cut off is discarded; a shared file, a memfd and the
 * part of a file that the map made become shorter or longer with it. -ENOMEM: beyond reserve, or no address space.
 * -EPERM: the file is sealed against growing or shrinking. -EFBIG: beyond RLIMIT_FSIZE, or too large for the
 * filesystem. -ENOSPC. -EBUSY: a snapshot is being taken. -EINVAL: length 0. The map is unchanged after a failure.
 */
FALLOW_API int fallow_map_resize(struct fallow_map *map, size_t length);

/* Change the limit (bytes, rounded down to pages, 0: none). What is populated above it stays. */
FALLOW_API int fallow_map_set_limit(struct fallow_map *map, size_t limit);

/* How a map's guard works. */
enum fallow_guard_kind {
	FALLOW_GUARD_KIND_NONE,
	FALLOW_GUARD_KIND_PAGES,  /* guard pages within 2 MiB of what is populated, no access beyond; Linux 6.13 for private
	                           * ordinary memory, 6.15 for files and shared memory. Few mappings */
	FALLOW_GUARD_KIND_ACCESS, /* no access: each run of populated pages takes mappings (vm.max_map_count) */
};

struct fallow_map_stat {
	size_t size;                  /* of this struct: set by FALLOW_MAP_STAT_INIT */
	size_t page_size;             /* bytes */
	size_t length;                /* bytes */
	size_t reserve;               /* bytes */
	size_t limit;                 /* bytes, 0: none */
	size_t populated;             /* bytes populated and not discarded since */
	size_t purgeable;             /* bytes that the kernel may take, see fallow/volatile.h */
	uint64_t storage;             /* bytes that the memfd or file has, holes not counted; 0 without one. A private map
	                               * of a file on tmpfs pays twice: for these, and for its own copies in populated.
	                               * One of fallow's own memfd does not */
	uint64_t npopulates;          /* calls that populated */
	uint64_t ndiscards;           /* calls that discarded, and runs of volatile pages that were lost */
	uint64_t nfailures;           /* populates that failed */
	enum fallow_guard_kind guard;
};

#ifdef __cplusplus
static inline fallow_map_stat fallow_map_stat_init(void)
{
	fallow_map_stat s = fallow_map_stat();
	s.size = sizeof(s);
	return s;
}
#define FALLOW_MAP_STAT_INIT fallow_map_stat_init()
#else
#define FALLOW_MAP_STAT_INIT                                                                                           \
	{ .size = sizeof(struct fallow_map_stat) }
#endif

/* Fill stat, whose size field says how much of it the caller knows. -EINVAL when that is no known size. */
FALLOW_API int fallow_map_stats(struct fallow_map *map, struct fallow_map_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
