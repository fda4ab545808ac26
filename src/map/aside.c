/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots as two linked lists over one mapping: the pages, then what is known of each.
 */
#include "map/aside.h"

#include <errno.h>

#include "os/kernel.h"
#include "os/os.h"

static size_t nbytes(const struct fl_aside *aside)
{
	return aside->nslots * (aside->page_size + sizeof(aside->slots[0]));
}

int fl_aside_create(struct fl_aside *aside, size_t page_size, size_t nslots)
{
	void *place = NULL;

	*aside = (struct fl_aside){ .page_size = page_size, .free = FL_ASIDE_NONE, .first = FL_ASIDE_NONE,
				    .nslots = (uint32_t)fl_min(nslots, FL_ASIDE_NONE - 1) };
	int result = fl_os_mmap(&place, nbytes(aside), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (result != 0)
		return -ENOMEM;
	aside->bytes = place;
	aside->slots = (struct fl_aside_slot *)(aside->bytes + aside->nslots * page_size);
	return 0;
}

void fl_aside_destroy(struct fl_aside *aside)
{
	fl_os_munmap(aside->bytes, nbytes(aside));
}

uint32_t fl_aside_take(struct fl_aside *aside)
{
	uint32_t slot = aside->free;

	if (slot != FL_ASIDE_NONE)
		aside->free = aside->slots[slot].next;
	else if (aside->nused < aside->nslots)
		slot = aside->nused++;
	return slot;
}

void fl_aside_put(struct fl_aside *aside, uint32_t slot)
{
	aside->slots[slot].next = aside->free;
	aside->free = slot;
}

void fl_aside_line_up(struct fl_aside *aside, uint32_t slot, size_t page)
{
	aside->slots[slot] = (struct fl_aside_slot){ page, FL_ASIDE_NONE };
	if (aside->first == FL_ASIDE_NONE)
		aside->first = slot;
	else
		aside->slots[aside->last].next = slot;
	aside->last = slot;
}

uint32_t fl_aside_next(struct fl_aside *aside, size_t *page)
{
	uint32_t slot = aside->first;

	if (slot != FL_ASIDE_NONE) {
		*page = aside->slots[slot].page;
		aside->first = aside->slots[slot].next;
	}
	return slot;
}
