/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choosing witnesses and looking for them.
 */
#include "map/witness.h"

#define LEAF_SHIFT 12
#define LEAF_PAGES ((size_t)1 << LEAF_SHIFT)

int fl_witnesses_create(struct fl_witnesses *w, size_t npages)
{
	return fl_pagetree_create(&w->tree, npages, LEAF_SHIFT, LEAF_PAGES * sizeof(struct fl_witness));
}

void fl_witnesses_destroy(struct fl_witnesses *w)
{
	fl_pagetree_destroy(&w->tree);
}

int fl_witnesses_reserve(struct fl_witnesses *w, size_t first, size_t end)
{
	return fl_pagetree_reserve(&w->tree, first, end);
}

struct fl_witness *fl_witness_of(const struct fl_witnesses *w, size_t page)
{
	struct fl_witness *leaf = fl_pagetree_leaf(&w->tree, page);

	return &leaf[page % LEAF_PAGES];
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
