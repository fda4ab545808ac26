/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Witnesses: what pages are known by, one word of each that is not zero, kept outside of them.
 *
 * A page that the kernel took reads as zero; so a page whose witness is in its place was not taken. Witnesses take 8 bytes a
 * page. Making room (fl_witnesses_reserve()) excludes everything else; whoever holds a page's range may use its witness.
 */
#ifndef FL_MAP_WITNESS_H
#define FL_MAP_WITNESS_H

#include "map/pagetree.h"

struct fl_witness {
	uint32_t value; /* 0: the page held nothing but zeros */
	uint16_t at;    /* the word's number in its page */
	bool found;     /* when the page was looked at last */
};

struct fl_witnesses {
	struct fl_pagetree tree;
};

/* Room for witnesses of pages below npages, none yet. 0 or -ENOMEM. */
int fl_witnesses_create(struct fl_witnesses *witnesses, size_t npages);
void fl_witnesses_destroy(struct fl_witnesses *witnesses);

/* Make it possible to have witnesses of the pages [first, end). 0 or -ENOMEM. */
int fl_witnesses_reserve(struct fl_witnesses *witnesses, size_t first, size_t end);

/* The witness of a page that was reserved. */
struct fl_witness *fl_witness_of(const struct fl_witnesses *witnesses, size_t page);

/* Choose a witness of a page that can be read. Others may be writing to the page. */
struct fl_witness fl_witness_choose(const void *page, size_t page_size);

/* Whether the page, which can be read, has its witness. */
bool fl_witness_is_in(const struct fl_witness *witness, const void *page);

#endif
