/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Something kept for each page, in a radix tree whose cost grows with the pages it was kept for and not with its bounds.
 *
 *     top (one pointer for 2^24 pages) -> middle (a pointer for each leaf of them) -> leaf
 *
 * A leaf is memory for a run of pages, zero at first; what lies in it is the caller's. Pages are named by number. Leaves are
 * kept until the tree is destroyed. Nothing here locks.
 */
#ifndef FL_MAP_PAGETREE_H
#define FL_MAP_PAGETREE_H

#include "base/base.h"

#define FL_PAGETREE_MIDDLE_SHIFT 24

struct fl_pagetree {
	size_t npages;           /* all of these three are fixed */
	unsigned int leaf_shift; /* a leaf is for 2^leaf_shift pages */
	size_t leaf_size;        /* bytes */
	void ***top;
};

/* A tree for pages below npages, without leaves. 0 or -ENOMEM. */
int fl_pagetree_create(struct fl_pagetree *tree, size_t npages, unsigned int leaf_shift, size_t leaf_size);
void fl_pagetree_destroy(struct fl_pagetree *tree);

/* Make the leaves of the pages [first, end). 0 or -ENOMEM; some of them may have been made then. */
int fl_pagetree_reserve(struct fl_pagetree *tree, size_t first, size_t end);

/* The leaf of a page; NULL when it has not been made. */
static inline void *fl_pagetree_leaf(const struct fl_pagetree *tree, size_t page)
{
	void **middle = tree->top[page >> FL_PAGETREE_MIDDLE_SHIFT];

	return middle ? middle[page % ((size_t)1 << FL_PAGETREE_MIDDLE_SHIFT) >> tree->leaf_shift] : NULL;
}

#endif
