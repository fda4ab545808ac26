/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choosing and finding witnesses, and the tree that they lie in.
 */
#include "map/witness.h"

#include <errno.h>

#include "meta/meta.h"

#define LEAF_PAGES 4096
#define MIDDLE_LEAVES 4096
#define MIDDLE_PAGES ((size_t)LEAF_PAGES * MIDDLE_LEAVES)

struct leaf {
	struct fl_witness witnesses[LEAF_PAGES];
};

struct fl_witness_middle {
	struct leaf *leaves[MIDDLE_LEAVES];
};

static size_t top_size(const struct fl_witnesses *w)
{
	return fl_div_up(w->npages, MIDDLE_PAGES) * sizeof(w->top[0]);
}

int fl_witnesses_create(struct fl_witnesses *w, size_t npages)
{
	*w = (struct fl_witnesses){ .npages = npages };
	w->top = fl_meta_alloc(top_size(w));
	return w->top ? 0 : -ENOMEM;
}

void fl_witnesses_destroy(struct fl_witnesses *w)
{
	for (size_t i = 0; i < fl_div_up(w->npages, MIDDLE_PAGES); i++) {
		struct fl_witness_middle *middle = w->top[i];
		for (size_t j = 0; middle && j < MIDDLE_LEAVES; j++) {
			if (middle->leaves[j])
				fl_meta_free(middle->leaves[j], sizeof(struct leaf));
		}
		if (middle)
			fl_meta_free(middle, sizeof(*middle));
	}
	fl_meta_free(w->top, top_size(w));
}

static bool make_leaf(struct fl_witnesses *w, size_t page)
{
	struct fl_witness_middle **middle = &w->top[page / MIDDLE_PAGES];

	if (*middle == NULL)
		*middle = fl_meta_alloc(sizeof(**middle));
	if (*middle == NULL)
		return false;
	struct leaf **leaf = &(*middle)->leaves[page / LEAF_PAGES % MIDDLE_LEAVES];
	if (*leaf == NULL)
		*leaf = fl_meta_alloc(sizeof(**leaf));
	return *leaf != NULL;
}

int fl_witnesses_reserve(struct fl_witnesses *w, size_t first, size_t end)
{
	for (size_t page = fl_align_down(first, LEAF_PAGES); page < end; page += LEAF_PAGES) {
		if (!make_leaf(w, page))
			return -ENOMEM;
	}
	return 0;
}

struct fl_witness *fl_witness_of(const struct fl_witnesses *w, size_t page)
{
	struct leaf *leaf = w->top[page / MIDDLE_PAGES]->leaves[page / LEAF_PAGES % MIDDLE_LEAVES];

	return &leaf->witnesses[page % LEAF_PAGES];
}

struct fl_witness fl_witness_choose(const void *page, size_t page_size)
{
	const uint32_t *words = page;

	for (size_t at = 0; at < page_size / sizeof(words[0]); at++) {
		uint32_t value = __atomic_load_n(&words[at], __ATOMIC_RELAXED);
		if (value != 0)
			return (struct fl_witness){ .value = value, .at = (uint16_t)at };
	}
	return (struct fl_witness){ .value = 0 };
}

bool fl_witness_is_in(const struct fl_witness *witness, const void *page)
{
	const uint32_t *words = page;

	return witness->value == 0 || __atomic_load_n(&words[witness->at], __ATOMIC_RELAXED) == witness->value;
}
