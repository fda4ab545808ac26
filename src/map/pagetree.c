/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making and freeing the nodes of a tree.
 */
#include "map/pagetree.h"

#include <errno.h>

#include "meta/meta.h"

static size_t ntop(const struct fl_pagetree *tree)
{
	return fl_div_up(tree->npages, (size_t)1 << FL_PAGETREE_MIDDLE_SHIFT);
}

/* Leaves of a middle. */
static size_t nleaves(const struct fl_pagetree *tree)
{
	return (size_t)1 << (FL_PAGETREE_MIDDLE_SHIFT - tree->leaf_shift);
}

int fl_pagetree_create(struct fl_pagetree *tree, size_t npages, unsigned int leaf_shift, size_t leaf_size)
{
	*tree = (struct fl_pagetree){ .npages = npages, .leaf_shift = leaf_shift, .leaf_size = leaf_size };
	tree->top = fl_meta_alloc(ntop(tree) * sizeof(tree->top[0]));
	return tree->top ? 0 : -ENOMEM;
}

void fl_pagetree_destroy(struct fl_pagetree *tree)
{
	for (size_t i = 0; i < ntop(tree); i++) {
		void **middle = tree->top[i];
		for (size_t j = 0; middle && j < nleaves(tree); j++) {
			if (middle[j])
				fl_meta_free(middle[j], tree->leaf_size);
		}
		if (middle)
			fl_meta_free(middle, nleaves(tree) * sizeof(middle[0]));
	}
	fl_meta_free(tree->top, ntop(tree) * sizeof(tree->top[0]));
}

static bool make_leaf(struct fl_pagetree *tree, size_t page)
{
	void ***middle = &tree->top[page >> FL_PAGETREE_MIDDLE_SHIFT];

	if (*middle == NULL)
		*middle = fl_meta_alloc(nleaves(tree) * sizeof((*middle)[0]));
	if (*middle == NULL)
		return false;
	void **leaf = &(*middle)[page >> tree->leaf_shift & (nleaves(tree) - 1)];
	if (*leaf == NULL)
		*leaf = fl_meta_alloc(tree->leaf_size);
	return *leaf != NULL;
}

int fl_pagetree_reserve(struct fl_pagetree *tree, size_t first, size_t end)
{
	size_t npages = (size_t)1 << tree->leaf_shift;

	for (size_t page = fl_align_down(first, npages); page < end; page += npages) {
		if (!make_leaf(tree, page))
			return -ENOMEM;
	}
	return 0;
}
