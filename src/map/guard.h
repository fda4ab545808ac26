/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guards: a touch of what is not populated is SIGSEGV, on any backing.
 *
 * The map is inaccessible at first. It is opened by blocks. Where the kernel has guard pages for this mapping a block
 * is 2 MiB, and guard pages stand in those parts of it that are not populated; so mappings are few, however scattered
 * the pages. Guard pages all over would cost page tables for what is merely reserved. Where it has none a block is a
 * page, and each run of populated pages a mapping.
 *
 *     | no access | g g P P P g g P | no access ...      P populated, g guard page; blocks of 8 pages
 *
 * Pages are numbers within the map. The guard's lock is held over the calls that change protection, so that two who
 * populate in one block do not open it twice.
 */
#ifndef FL_MAP_GUARD_H
#define FL_MAP_GUARD_H

#include <fallow/map.h>

#include "map/pageset.h"
#include "os/lock.h"

struct fl_guard {
	/* Fixed after creation. */
	enum fallow_guard_kind kind;
	uintptr_t base;
	size_t page_size;
	size_t block_pages;

	struct fl_lock lock;
	size_t npages;          /* in the map */
	struct fl_pageset open; /* blocks that are accessible */
};

/* A guard for npages mapped without access at base, of at most npages_most. 0 or -ENOMEM. */
int fl_guard_create(struct fl_guard *guard, uintptr_t base, size_t page_size, size_t npages, size_t npages_most);
void fl_guard_destroy(struct fl_guard *guard);

/* Let pages [first, end) be touched. 0, or -errno of mprotect or madvise, when some of them may be open: close them. */
int fl_guard_open(struct fl_guard *guard, size_t first, size_t end);

/* Trap again on pages [first, end), which are discarded. 0, or -ENOMEM: some can be touched. */
int fl_guard_close(struct fl_guard *guard, size_t first, size_t end);

/* The map has npages now: the new ones are mapped without access. 0, or -errno as for opening. */
int fl_guard_resize(struct fl_guard *guard, size_t npages);

#endif
