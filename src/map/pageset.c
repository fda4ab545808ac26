/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adding to sets, taking from them, and looking for the next page, a word of a leaf at a time.
 */
#include "map/pageset.h"

#include "base/bits.h"

#define LEAF_SHIFT 15
#define LEAF_PAGES ((size_t)1 << LEAF_SHIFT)

int fl_pageset_create(struct fl_pageset *set, size_t npages)
{
	set->count = 0;
	return fl_pagetree_create(&set->tree, npages, LEAF_SHIFT, LEAF_PAGES / 8);
}

void fl_pageset_destroy(struct fl_pageset *set)
{
	fl_pagetree_destroy(&set->tree);
}

int fl_pageset_reserve(struct fl_pageset *set, size_t first, size_t end)
{
	return fl_pagetree_reserve(&set->tree, first, end);
}

/* The next piece of [page, end) that lies in one word of one leaf: its mask, and where the piece after it begins. */
static uint64_t piece(size_t page, size_t end, size_t *next)
{
	*next = fl_min(fl_align_down(page, FL_WORD_BITS) + FL_WORD_BITS, end);
	return fl_bits_mask(page % FL_WORD_BITS, (unsigned int)(*next - page));
}

/* The word of a leaf that holds a page. */
static uint64_t *word_of(uint64_t *leaf, size_t page)
{
	return &leaf[page % LEAF_PAGES / FL_WORD_BITS];
}

/* Where the leaf of a page ends. */
static size_t leaf_end(size_t page)
{
	return fl_align_down(page, LEAF_PAGES) + LEAF_PAGES;
}

void fl_pageset_add(struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first, next; page < end; page = next) {
		uint64_t mask = piece(page, end, &next), *word = word_of(fl_pagetree_leaf(&set->tree, page), page);
		set->count += (size_t)__builtin_popcountll(mask & ~*word);
		*word |= mask;
	}
}

void fl_pageset_remove(struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first, next; page < end; page = next) {
		uint64_t *leaf = fl_pagetree_leaf(&set->tree, page);
		if (leaf == NULL) {
			next = leaf_end(page);
			continue;
		}
		uint64_t mask = piece(page, end, &next), *word = word_of(leaf, page);
		set->count -= (size_t)__builtin_popcountll(mask & *word);
		*word &= ~mask;
	}
}

void fl_pageset_cut(struct fl_pageset *set, size_t first)
{
	fl_pageset_remove(set, first, set->tree.npages);
}

size_t fl_pageset_count(const struct fl_pageset *set, size_t first, size_t end)
{
	size_t n = 0;

	for (size_t page = first, next; page < end; page = next) {
		uint64_t *leaf = fl_pagetree_leaf(&set->tree, page);
		if (leaf == NULL) {
			next = leaf_end(page);
			continue;
		}
		n += (size_t)__builtin_popcountll(piece(page, end, &next) & *word_of(leaf, page));
	}
	return n;
}

size_t fl_pageset_next(const struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first; page < end; page = leaf_end(page)) {
		const uint64_t *leaf = fl_pagetree_leaf(&set->tree, page);
		size_t start = fl_align_down(page, LEAF_PAGES), nbits = fl_min(end - start, LEAF_PAGES);
		size_t at = leaf ? fl_bitmap_next(leaf, nbits, page - start) : nbits;
		if (at < nbits)
			return start + at;
	}
	return end;
}

size_t fl_pageset_next_absent(const struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first; page < end; page = leaf_end(page)) {
		const uint64_t *leaf = fl_pagetree_leaf(&set->tree, page);
		size_t start = fl_align_down(page, LEAF_PAGES), nbits = fl_min(end - start, LEAF_PAGES);
		size_t at = leaf ? fl_bitmap_next_clear(leaf, nbits, page - start) : page - start;
		if (at < nbits)
			return start + at;
	}
	return end;
}
