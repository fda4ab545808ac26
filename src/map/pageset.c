/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of pages as a radix tree of three levels.
 */
#include "map/pageset.h"

#include <errno.h>

#include "base/bits.h"
#include "meta/meta.h"

#define LEAF_PAGES 32768
#define MIDDLE_LEAVES 512
#define MIDDLE_PAGES ((size_t)LEAF_PAGES * MIDDLE_LEAVES)

struct leaf {
	uint64_t words[LEAF_PAGES / FL_WORD_BITS];
};

struct fl_pageset_middle {
	struct leaf *leaves[MIDDLE_LEAVES];
};

static size_t top_size(const struct fl_pageset *set)
{
	return fl_div_up(set->npages, MIDDLE_PAGES) * sizeof(set->top[0]);
}

int fl_pageset_create(struct fl_pageset *set, size_t npages)
{
	*set = (struct fl_pageset){ .npages = npages };
	set->top = fl_meta_alloc(top_size(set));
	return set->top ? 0 : -ENOMEM;
}

void fl_pageset_destroy(struct fl_pageset *set)
{
	for (size_t i = 0; i < fl_div_up(set->npages, MIDDLE_PAGES); i++) {
		struct fl_pageset_middle *middle = set->top[i];
		for (size_t j = 0; middle && j < MIDDLE_LEAVES; j++) {
			if (middle->leaves[j])
				fl_meta_free(middle->leaves[j], sizeof(struct leaf));
		}
		if (middle)
			fl_meta_free(middle, sizeof(*middle));
	}
	fl_meta_free(set->top, top_size(set));
}

static struct leaf *leaf_of(const struct fl_pageset *set, size_t page)
{
	const struct fl_pageset_middle *middle = set->top[page / MIDDLE_PAGES];

	return middle ? middle->leaves[page / LEAF_PAGES % MIDDLE_LEAVES] : NULL;
}

static bool make_leaf(struct fl_pageset *set, size_t page)
{
	struct fl_pageset_middle **middle = &set->top[page / MIDDLE_PAGES];

	if (*middle == NULL)
		*middle = fl_meta_alloc(sizeof(**middle));
	if (*middle == NULL)
		return false;
	struct leaf **leaf = &(*middle)->leaves[page / LEAF_PAGES % MIDDLE_LEAVES];
	if (*leaf == NULL)
		*leaf = fl_meta_alloc(sizeof(**leaf));
	return *leaf != NULL;
}

int fl_pageset_reserve(struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = fl_align_down(first, LEAF_PAGES); page < end; page += LEAF_PAGES) {
		if (!make_leaf(set, page))
			return -ENOMEM;
	}
	return 0;
}

/* The next piece of [page, end) that lies in one word of one leaf: its mask, and where the piece after it begins. */
static uint64_t piece(size_t page, size_t end, size_t *next)
{
	*next = fl_min(fl_align_down(page, FL_WORD_BITS) + FL_WORD_BITS, end);
	return fl_bits_mask(page % FL_WORD_BITS, (unsigned int)(*next - page));
}

/* The word that holds a page. */
static uint64_t *word_of(struct leaf *leaf, size_t page)
{
	return &leaf->words[page % LEAF_PAGES / FL_WORD_BITS];
}

/* Where the leaf of a page ends. */
static size_t leaf_end(size_t page)
{
	return fl_align_down(page, LEAF_PAGES) + LEAF_PAGES;
}

void fl_pageset_add(struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first, next; page < end; page = next) {
		uint64_t mask = piece(page, end, &next), *word = word_of(leaf_of(set, page), page);
		set->count += (size_t)__builtin_popcountll(mask & ~*word);
		*word |= mask;
	}
}

void fl_pageset_remove(struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first, next; page < end; page = next) {
		struct leaf *leaf = leaf_of(set, page);
		if (leaf == NULL) {
			next = leaf_end(page);
			continue;
		}
		uint64_t mask = piece(page, end, &next), *word = word_of(leaf, page);
		set->count -= (size_t)__builtin_popcountll(mask & *word);
		*word &= ~mask;
	}
}

size_t fl_pageset_count(const struct fl_pageset *set, size_t first, size_t end)
{
	size_t n = 0;

	for (size_t page = first, next; page < end; page = next) {
		struct leaf *leaf = leaf_of(set, page);
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
		const struct leaf *leaf = leaf_of(set, page);
		size_t start = fl_align_down(page, LEAF_PAGES), nbits = fl_min(end - start, LEAF_PAGES);
		size_t at = leaf ? fl_bitmap_next(leaf->words, nbits, page - start) : nbits;
		if (at < nbits)
			return start + at;
	}
	return end;
}

size_t fl_pageset_next_absent(const struct fl_pageset *set, size_t first, size_t end)
{
	for (size_t page = first; page < end; page = leaf_end(page)) {
		const struct leaf *leaf = leaf_of(set, page);
		size_t start = fl_align_down(page, LEAF_PAGES), nbits = fl_min(end - start, LEAF_PAGES);
		size_t at = leaf ? fl_bitmap_next_clear(leaf->words, nbits, page - start) : page - start;
		if (at < nbits)
			return start + at;
	}
	return end;
}
