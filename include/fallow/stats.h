/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fallow knows of itself: counters, and why the last request failed.
 */
#ifndef FALLOW_STATS_H
#define FALLOW_STATS_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why memory could not be had: one answer for what the kernel says in many ways. */
enum fallow_reason {
	FALLOW_REASON_NONE,
	FALLOW_REASON_POOL_EMPTY,      /* no free huge page in the system's pool */
	FALLOW_REASON_HUGETLB_CGROUP,  /* the hugetlb cgroup's limit */
	FALLOW_REASON_MEMORY_CGROUP,   /* the memory cgroup's limit */
	FALLOW_REASON_TMPFS_FULL,      /* the tmpfs or hugetlbfs mount's size */
	FALLOW_REASON_DISK_FULL,       /* the filesystem under a file */
	FALLOW_REASON_ARENA_LIMIT,     /* the arena's or pool's own limit */
	FALLOW_REASON_RLIMIT,          /* RLIMIT_AS, RLIMIT_DATA or RLIMIT_FSIZE */
	FALLOW_REASON_COMMIT_LIMIT,    /* overcommit_memory=2 */
	FALLOW_REASON_MAP_COUNT,       /* vm.max_map_count */
	FALLOW_REASON_SYSTEM_MEMORY,   /* the machine has none left */
	FALLOW_REASON_ADDRESS_SPACE,   /* the reservation is used up */
	FALLOW_REASON_TOO_LARGE,       /* beyond PTRDIFF_MAX */
	FALLOW_REASON_FAULT,           /* the mapping refuses: file cut short, guard, protection */
	FALLOW_REASON_MAP_LIMIT,       /* the map's own limit */
};

/* A short static text, such as "huge-page pool empty". */
FALLOW_API const char *fallow_reason_text(enum fallow_reason reason);

struct fallow_failure {
	enum fallow_reason reason;
	int error;               /* what the kernel said, as errno; 0 when it was not asked */
	size_t requested;        /* bytes */
	uint64_t time_ms;        /* CLOCK_MONOTONIC, milliseconds */
};

/* The calling thread's last failed request; reason FALLOW_REASON_NONE when there was none. Always 0. */
FALLOW_API int fallow_last_failure(struct fallow_failure *failure);

/* Bytes left below what refused a request, where nobody could tell. */
#define FALLOW_HEADROOM_UNKNOWN UINT64_MAX

/* The process keeps so many failures of all its threads. */
#define FALLOW_NFAILURES 16

struct fallow_failure_record {
	uint64_t number;         /* of the process's failures, from 1 on */
	uint64_t time_ms;        /* CLOCK_MONOTONIC, milliseconds */
	size_t requested;        /* bytes */
	uint64_t headroom;       /* bytes that could still have been had, or FALLOW_HEADROOM_UNKNOWN */
	enum fallow_reason reason;
	int error;               /* what the kernel said, as errno; 0 when it was not asked */
};

/* The last failures of all threads, the latest first, into at most nmax records. Returns how many: FALLOW_NFAILURES at most. */
FALLOW_API size_t fallow_failures(struct fallow_failure_record *records, size_t nmax);

struct fallow_stats {
	size_t size;             /* of this struct: set by FALLOW_STATS_INIT */
	size_t taken;            /* bytes in extents handed out, all arenas */
	size_t populated;        /* bytes of memory held, all arenas; estimated where pages come with faults */
	size_t idle;             /* of these, free and waiting for decay */
	size_t spilled;          /* bytes in ordinary memory for want of huge pages */
	size_t metadata;         /* bytes of fallow's own data */
	size_t large;            /* bytes in blocks that have an extent of their own */
	uint64_t nlarge;         /* such blocks */
	uint64_t nslabs;
	uint64_t npopulates;     /* calls that brought memory in */
	uint64_t ndiscards;      /* calls that gave memory back */
	uint64_t nfailures;      /* requests answered with NULL */
	uint64_t narenas;
	uint64_t ncaches;        /* per-thread caches, parked ones included */
};

#ifdef __cplusplus
static inline fallow_stats fallow_stats_init(void)
{
	fallow_stats s = fallow_stats();
	s.size = sizeof(s);
	return s;
}
#define FALLOW_STATS_INIT fallow_stats_init()
#else
#define FALLOW_STATS_INIT                                                                                              \
	{ .size = sizeof(struct fallow_stats) }
#endif

/* Fill stats, whose size field says how much of it the caller knows. -EINVAL when that is no known size. */
FALLOW_API int fallow_stats_read(struct fallow_stats *stats);

enum fallow_stats_format {
	FALLOW_STATS_TEXT,
	FALLOW_STATS_JSON,
};

/* Write all counters to fd with write(2), without allocating. -errno as write(2) gives it. */
FALLOW_API int fallow_stats_write(int fd, enum fallow_stats_format format);

#ifdef __cplusplus
}
#endif

#endif
