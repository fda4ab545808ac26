/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A turn goes through runs of pages that are alike in all sets, in pieces, so that a long run of one set is not gone
 * through once for each short run of another.
 */
#include "map/chain.h"

#define PIECE 4096   /* pages */
#define STRIDE 32768 /* pages, one leaf of each set */

int fl_chain_create(struct fl_chain *chain, size_t npages)
{
	int result = fl_pageset_create(&chain->held, npages);

	if (result != 0)
		return result;
	result = fl_pageset_create(&chain->changed, npages);
	if (result != 0)
		goto destroy_held;
	result = fl_pageset_create(&chain->gone, npages);
	if (result == 0)
		return 0;

	fl_pageset_destroy(&chain->changed);
destroy_held:
	fl_pageset_destroy(&chain->held);
	return result;
}

void fl_chain_destroy(struct fl_chain *chain)
{
	fl_pageset_destroy(&chain->held);
	fl_pageset_destroy(&chain->changed);
	fl_pageset_destroy(&chain->gone);
}

static int add(struct fl_pageset *set, size_t first, size_t end)
{
	int result = fl_pageset_reserve(set, first, end);

	if (result == 0)
		fl_pageset_add(set, first, end);
	return result;
}

int fl_chain_note(struct fl_chain *chain, size_t first, size_t end)
{
	return add(&chain->changed, first, end);
}

int fl_chain_note_held(struct fl_chain *chain, size_t first, size_t end)
{
	int result = 0;

	for (size_t page = fl_pageset_next(&chain->held, first, end), to; page < end && result == 0;
	     page = fl_pageset_next(&chain->held, to, end)) {
		to = fl_pageset_next_absent(&chain->held, page, end);
		result = add(&chain->changed, page, to);
	}
	return result;
}

/* Whether the page is in the set; *end becomes the end of the run of pages of which that is so, if it lies before. */
static bool is_in(const struct fl_pageset *set, size_t page, size_t *end)
{
	bool in = fl_pageset_next(set, page, *end) == page;

	*end = in ? fl_pageset_next_absent(set, page, *end) : fl_pageset_next(set, page, *end);
	return in;
}

/* The run at page, whose end is returned. */
static size_t turn_run(struct fl_chain *chain, struct fl_pageset *content, size_t page, size_t end, int *result)
{
	bool there = is_in(content, page, &end);
	bool held = is_in(&chain->held, page, &end);
	bool changed = is_in(&chain->changed, page, &end);

	if (there && held && !changed) {
		fl_pageset_remove(content, page, end);
	} else if (there) {
		*result = add(&chain->held, page, end);
	} else if (held || changed) {
		fl_pageset_remove(&chain->held, page, end);
		*result = add(&chain->gone, page, end);
	}
	return end;
}

/* The first page from page on that is in any set. */
static size_t next(const struct fl_chain *chain, const struct fl_pageset *content, size_t page, size_t npages)
{
	for (size_t end; page < npages; page = end) {
		end = fl_min(fl_align_down(page, STRIDE) + STRIDE, npages);
		size_t first = fl_pageset_next(content, page, end);
		first = fl_pageset_next(&chain->held, page, first);
		first = fl_pageset_next(&chain->changed, page, first);
		if (first < end)
			return first;
	}
	return npages;
}

int fl_chain_turn(struct fl_chain *chain, struct fl_pageset *content, size_t npages)
{
	int result = 0;

	fl_pageset_cut(&chain->gone, 0);
	for (size_t page = next(chain, content, 0, npages); page < npages && result == 0;
	     page = next(chain, content, page, npages)) {
		size_t end = fl_min(fl_align_down(page, PIECE) + PIECE, npages);
		page = turn_run(chain, content, page, end, &result);
	}
	fl_pageset_cut(&chain->held, npages);
	fl_pageset_cut(&chain->changed, 0);
	return result;
}
