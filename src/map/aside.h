/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages copied aside, that wait to be written out: a fixed number of slots of one page each, free, being filled, or in
 * the line of those that are full, which is first in, first out.
 *
 * The caller locks. A slot's bytes are its taker's until it is lined up or put back.
 */
#ifndef FL_MAP_ASIDE_H
#define FL_MAP_ASIDE_H

#include "base/base.h"

#define FL_ASIDE_NONE UINT32_MAX

struct fl_aside {
	size_t page_size;
	uint32_t nslots;
	uint32_t nused; /* slots that were ever taken */
	uint32_t free;  /* the first of these that is free, or NONE */
	uint32_t first; /* in line */
	uint32_t last;
	unsigned char *bytes;
	struct fl_aside_slot {
		size_t page;
		uint32_t next;
	} *slots;
};

/* Room for nslots pages, which costs memory once it is used. 0 or -ENOMEM. */
int fl_aside_create(struct fl_aside *aside, size_t page_size, size_t nslots);
void fl_aside_destroy(struct fl_aside *aside);

/* A free slot, or NONE. */
uint32_t fl_aside_take(struct fl_aside *aside);
void fl_aside_put(struct fl_aside *aside, uint32_t slot);

/* The slot has that page's content now. */
void fl_aside_line_up(struct fl_aside *aside, uint32_t slot, size_t page);

/* The first in line, which is then the caller's, and its page; or NONE. */
uint32_t fl_aside_next(struct fl_aside *aside, size_t *page);

static inline void *fl_aside_bytes(const struct fl_aside *aside, uint32_t slot)
{
	return aside->bytes + slot * aside->page_size;
}

#endif
