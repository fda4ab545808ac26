/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pools: a number of huge pages as a supply that several arenas draw from.
 *
 * A pool is held up front (every page is populated by fallow_pool_create() and stays until fallow_pool_destroy(), so
 * that nobody can take it away) or drawn on demand (pages come from the system's pool when an arena needs them and go
 * back when idle).
 */
#ifndef FALLOW_POOL_H
#define FALLOW_POOL_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fallow_pool;

enum fallow_pool_supply {
	FALLOW_POOL_HELD,      /* all pages populated by _create() */
	FALLOW_POOL_ON_DEMAND, /* populated when an arena needs them, given back after decay_ms */
};

struct fallow_pool_options {
	size_t size;                    /* of this struct: set by FALLOW_POOL_OPTIONS_INIT */
	enum fallow_backing backing;    /* HUGETLB or MEMFD; ignored when mount is set */
	enum fallow_pool_supply supply;
	enum fallow_fork fork;          /* for HUGETLB: what the others give is shared by parent and child */
	size_t page_size;               /* bytes; 0: the mount's, or the system's default huge page */
	size_t npages;                  /* most pages the pool may hold; at least 1 */
	int node;                       /* NUMA node, -1: any */
	unsigned int decay_ms;          /* ON_DEMAND: as for arenas, and as coarse; whole pages only */
	const char *mount;              /* a directory on hugetlbfs: pages come from an unlinked file there; may be NULL */
};

#ifdef __cplusplus
static inline fallow_pool_options fallow_pool_options_init(void)
{
	fallow_pool_options o = fallow_pool_options();
	o.size = sizeof(o);
	o.backing = FALLOW_BACKING_HUGETLB;
	o.node = -1;
	o.decay_ms = ~0u;
	return o;
}
#define FALLOW_POOL_OPTIONS_INIT fallow_pool_options_init()
#else
#define FALLOW_POOL_OPTIONS_INIT                                                                                       \
	{ .size = sizeof(struct fallow_pool_options), .backing = FALLOW_BACKING_HUGETLB, .node = -1, .decay_ms = ~0u }
#endif

/*
 * Create a pool. HELD: -ENOMEM, with nothing kept, when the system's pool cannot give npages; the reason is with
 * fallow_last_failure(). -EINVAL: a field out of range, or a page size or node that this system does not have; -ENODEV:
 * mount is not on hugetlbfs; other errors as open(2) gives them for mount, and mbind(2) for node: -EPERM where a container
 * forbids it, -ENOSYS where the kernel knows no nodes.
 */
FALLOW_API int fallow_pool_create(const struct fallow_pool_options *options, struct fallow_pool **pool);

/* -EBUSY while an arena draws from it. Else every page goes back to the system. NULL is ignored. */
FALLOW_API int fallow_pool_destroy(struct fallow_pool *pool);

/*
 * Change the number of pages. Growing a held pool populates the new pages or changes nothing and returns -ENOMEM, as for
 * more pages than there is address space for. Shrinking gives idle pages back; -EBUSY when more than npages are in use,
 * with the number as it was. -EINVAL: npages is 0, which is for fallow_pool_destroy().
 */
FALLOW_API int fallow_pool_resize(struct fallow_pool *pool, size_t npages);

struct fallow_pool_stat {
	size_t size;             /* of this struct: set by FALLOW_POOL_STAT_INIT */
	size_t page_size;        /* bytes */
	size_t npages;           /* most the pool may hold */
	size_t npages_populated; /* held now */
	size_t npages_used;      /* of these, with at least one block or slab of an arena in them */
	size_t narenas;          /* drawing from the pool */
};

#ifdef __cplusplus
static inline fallow_pool_stat fallow_pool_stat_init(void)
{
	fallow_pool_stat s = fallow_pool_stat();
	s.size = sizeof(s);
	return s;
}
#define FALLOW_POOL_STAT_INIT fallow_pool_stat_init()
#else
#define FALLOW_POOL_STAT_INIT                                                                                          \
	{ .size = sizeof(struct fallow_pool_stat) }
#endif

/* Fill stat, whose size field says how much of it the caller knows. -EINVAL when that is no known size. */
FALLOW_API int fallow_pool_stats(struct fallow_pool *pool, struct fallow_pool_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
