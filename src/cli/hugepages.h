/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system's pools of huge pages, as /sys has them, and where hugetlbfs is mounted.
 */
#ifndef FL_CLI_HUGEPAGES_H
#define FL_CLI_HUGEPAGES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FL_PATH_LENGTH 512
#define FL_NSIZES_MAX 16
#define FL_NODE_ANY (-1)

/* Counts are pages. What the kernel keeps for all nodes together only is 0 for one. */
struct fl_hugepages {
	uint64_t page_size;  /* bytes */
	int node;            /* or FL_NODE_ANY: all together */
	uint64_t total;
	uint64_t free;
	uint64_t reserved;   /* of the free ones, promised to mappings; all nodes only */
	uint64_t surplus;    /* of all, made on demand and given back to the system when freed */
	uint64_t overcommit; /* most surplus pages; all nodes only */
};

/* The page sizes that have a pool, smallest first. The result is how many. */
size_t fl_hugepages_sizes(uint64_t sizes[FL_NSIZES_MAX]);

/* The default's page size; 0 where the kernel has no huge pages. */
uint64_t fl_hugepages_default(void);

/* The numbers of the nodes that have pools, into an array of length; the result is how many. 0: the kernel knows no nodes. */
size_t fl_hugepages_nodes(int nodes[], size_t length);

/* False when there is no such pool. */
bool fl_hugepages_read(uint64_t page_size, int node, struct fl_hugepages *pool);

/* The path of a pool's file, such as "nr_hugepages". */
void fl_hugepages_path(uint64_t page_size, int node, const char *file, char path[FL_PATH_LENGTH]);

/* Free and not promised to anybody. */
static inline uint64_t fl_hugepages_available(const struct fl_hugepages *pool)
{
	return pool->free > pool->reserved ? pool->free - pool->reserved : 0;
}

struct fl_hugetlbfs {
	char directory[PATH_MAX];
	uint64_t page_size; /* bytes */
	bool limited;       /* by a size of its own */
	uint64_t size;      /* bytes, when limited */
	uint64_t free;      /* the same */
	bool writable;      /* by us */
};

/* Call see for each hugetlbfs that is mounted where we can see it. */
void fl_hugetlbfs_each(void (*see)(const struct fl_hugetlbfs *mount, void *argument), void *argument);

/* The hugetlbfs mounted at the directory itself; false when there is none. */
bool fl_hugetlbfs_at(const char *directory, struct fl_hugetlbfs *mount);

#endif
