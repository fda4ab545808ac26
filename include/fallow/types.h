/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words that several public headers share: where memory comes from and how it is brought in.
 */
#ifndef FALLOW_TYPES_H
#define FALLOW_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FALLOW_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* Where pages come from. Compose with page_size and share; what a kernel cannot combine is -EOPNOTSUPP. */
enum fallow_backing {
	FALLOW_BACKING_ANON,    /* ordinary anonymous memory */
	FALLOW_BACKING_HUGETLB, /* anonymous huge pages from the system's pool */
	FALLOW_BACKING_MEMFD,   /* a memfd of fallow's own; with a huge page_size, one on the pool */
	FALLOW_BACKING_FILE,    /* the file given as fd: on tmpfs, hugetlbfs or an ordinary filesystem */
};

/* Whether writes reach the backing object (a memfd or file) or stay in this process. */
enum fallow_share {
	FALLOW_SHARE_AUTO,    /* shared for memfd and file, private for anonymous memory */
	FALLOW_SHARE_PRIVATE,
	FALLOW_SHARE_SHARED,
};

/* How memory is brought in before it is handed out. */
enum fallow_populate {
	FALLOW_POPULATE_AUTO,     /* write for everything but the process heap, which leaves large blocks to faults */
	FALLOW_POPULATE_WRITE,    /* every page present and writable: no later touch can fail (promise P1) */
	FALLOW_POPULATE_READ,     /* every page present for reading */
	FALLOW_POPULATE_ALLOCATE, /* storage promised by the filesystem, page tables left to faults */
	FALLOW_POPULATE_NONE,     /* pages come with faults, which may end in SIGBUS on a finite backing */
};

/* What an arena does when its backing is exhausted. */
enum fallow_spill {
	FALLOW_SPILL_FAIL, /* the allocation fails with ENOMEM */
	FALLOW_SPILL_ANON, /* go on in ordinary memory, count it, and say so once on stderr */
};

/*
 * What a fork does about huge pages of the pool that are mapped privately (HUGETLB; MEMFD and FILE with SHARE_PRIVATE), of
 * which parent and child need one each as soon as either of them writes; fallow/fork.h says more.
 */
enum fallow_fork {
	FALLOW_FORK_AUTO,   /* where the pool cannot cover that, go on in ordinary memory, which is copied when written to */
	FALLOW_FORK_COPY,   /* the same at each fork, whatever the pool has: nobody can take it away later */
	FALLOW_FORK_REFUSE, /* where the pool cannot cover that, fork fails with ENOMEM */
};

/* Huge pages for ordinary anonymous memory. */
enum fallow_thp {
	FALLOW_THP_AUTO,   /* once the arena is large enough to deserve them */
	FALLOW_THP_ALWAYS, /* from the first byte */
	FALLOW_THP_NEVER,
};

#ifdef __cplusplus
}
#endif

#endif
