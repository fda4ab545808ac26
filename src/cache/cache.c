/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cache's slabs: which have free slots, which are kept empty, and what happens when a countdown ends.
 */
#include "cache/depot.h"
#include "cache/internal.h"
#include "diag/valgrind.h"

/* Empty slabs of more granules than this are not kept. */
#define SPARE_GRANULES 4

static struct fl_region no_region;
static struct fl_cache no_cache = { .key = UINT64_MAX, .region = &no_region };

__thread struct fl_cache *fl_cache_self FL_PURE_TLS = &no_cache;

struct fl_cache *const fl_cache_none = &no_cache;

void fl_bin_list(struct fl_bin *bin, struct fl_slab *slab)
{
	slab->state = FL_SLAB_LISTED;
	slab->next = NULL;
	slab->prev = bin->last;
	if (bin->last)
		bin->last->next = slab;
	else
		bin->first = slab;
	bin->last = slab;
}

void fl_bin_unlist(struct fl_bin *bin, struct fl_slab *slab)
{
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		bin->first = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
	else
		bin->last = slab->prev;
}

void fl_cache_withdraw(struct fl_cache *cache, struct fl_slab *slab)
{
	struct fl_bin *bin = &cache->bins[slab->class];

	fl_bin_unlist(bin, slab);
	if (slab->spare != 0) {
		cache->spares[slab->spare - 1] = NULL;
		slab->spare = 0;
	}
}

void fl_cache_strip(struct fl_cache *cache, struct fl_slab *slab)
{
	struct fl_bin *bin = &cache->bins[slab->class];

	fl_cache_withdraw(cache, slab);
	bin->nslabs--;
	if (bin->carving == slab)
		bin->carving = NULL;
}

static void destroy_slab(struct fl_cache *cache, struct fl_slab *slab)
{
	fl_cache_strip(cache, slab);
	fl_slab_destroy(slab, cache->arena);
}

/* Whether empty slabs are kept for a while: what was freed is likely wanted again. */
static bool keeps_spares(const struct fl_slab *slab)
{
	return slab->ngranules <= SPARE_GRANULES && slab->region->decay != 0 && slab->region->page_granules == 1;
}

/* Keep an empty slab, in the place of the one kept longest. */
static void keep_spare(struct fl_cache *cache, struct fl_slab *slab)
{
	struct fl_slab **place = &cache->spares[cache->next_spare];

	if (*place)
		destroy_slab(cache, *place);
	*place = slab;
	slab->spare = (uint8_t)(cache->next_spare + 1);
	cache->next_spare = (uint8_t)((cache->next_spare + 1) % FL_NSPARES);
}

void fl_cache_countdown_ended(struct fl_cache *cache, struct fl_slab *slab)
{
	unsigned int class = slab->class;
	struct fl_bin *bin = &cache->bins[class];

	if (slab->state == FL_SLAB_FULL) {
		slab->countdown = slab->ncarved - 1u;
		fl_bin_list(bin, slab);
		if (slab->countdown != 0)
			return;
	}
	if (keeps_spares(slab)) {
		keep_spare(cache, slab);
		return;
	}
	destroy_slab(cache, slab);
	/* On huge pages, slots in hand of a class of which nothing else is free may be all that keeps a page. */
	if (cache->region->page_granules > 1 && bin->first == NULL)
		fl_cache_return_slots(cache, class);
}

/* A program that frees and allocates in turn has its one slot in hand again, past all lists. */
static bool take_in_hand(struct fl_cache *cache, struct fl_slab *slab)
{
	struct fl_slot **head = &cache->heads[slab->class];

	if (slab->state != FL_SLAB_FULL || !slab->lone || *head != NULL || !keeps_spares(slab))
		return false;
	*head = slab->free;
	slab->free = NULL;
	slab->countdown = 1;
	return true;
}

void fl_cache_slab_event(struct fl_cache *cache, struct fl_slab *slab)
{
	fl_cache_begin(cache);
	if (!take_in_hand(cache, slab))
		fl_cache_countdown_ended(cache, slab);
	fl_cache_end(cache);
}

void fl_cache_return_slots(struct fl_cache *cache, unsigned int class)
{
	struct fl_slot *slots = cache->heads[class];

	cache->heads[class] = NULL;
	fl_cache_free_list(cache, slots);
}

/* Give kept empty slabs back. True if there were any. */
static bool destroy_spares(struct fl_cache *cache)
{
	bool any = false;

	for (size_t i = 0; i < FL_NSPARES; i++) {
		if (cache->spares[i]) {
			destroy_slab(cache, cache->spares[i]);
			any = true;
		}
	}
	return any;
}

/* Return slots in hand to their slabs, take in what others sent, and give empty slabs back. */
static bool flush(struct fl_cache *cache)
{
	if (cache->magazines)
		return fl_magazines_flush(cache->magazines);
	for (unsigned int class = 0; class < FL_NCLASSES; class++)
		fl_cache_return_slots(cache, class);
	fl_cache_empty_inbox(cache);
	return destroy_spares(cache);
}

bool fl_cache_flush(struct fl_cache *cache)
{
	fl_valgrind_silence();
	fl_cache_begin(cache);
	bool any = flush(cache);
	fl_cache_end(cache);
	fl_valgrind_speak();
	return any;
}
