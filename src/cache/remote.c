/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between caches: slots that one thread frees and another owns.
 */
#include "cache/internal.h"
#include "cache/threads.h"

/* An outbox is sent when it holds so many slots, all of them when they hold so many bytes. */
#define OUTBOX_SLOTS 32
#define OUTGOING_MOST (64 * FL_KIB)

void fl_cache_send(struct fl_cache *owner, struct fl_slot *first, struct fl_slot *last)
{
	struct fl_slot *head = __atomic_load_n(&owner->inbox, __ATOMIC_RELAXED);

	do
		fl_slot_link(last, head);
	while (!__atomic_compare_exchange_n(&owner->inbox, &head, first, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void send_outbox(struct fl_outbox *outbox)
{
	if (outbox->n != 0)
		fl_cache_send(fl_cache_by_id(outbox->id), outbox->first, outbox->last);
	*outbox = (struct fl_outbox){ 0 };
}

void fl_cache_send_all(struct fl_cache *cache)
{
	if (cache->outgoing == 0)
		return;
	for (size_t i = 0; i < FL_NOUTBOXES; i++)
		send_outbox(&cache->outboxes[i]);
	cache->outgoing = 0;
}

void fl_cache_free_remote(struct fl_cache *cache, unsigned int id, struct fl_slot *slot, size_t size)
{
	struct fl_outbox *outbox = &cache->outboxes[id % FL_NOUTBOXES];
	if (outbox->id != id) {
		send_outbox(outbox);
		outbox->id = id;
	}
	fl_slot_link(slot, outbox->first);
	outbox->first = slot;
	if (outbox->last == NULL)
		outbox->last = slot;
	outbox->n++;
	cache->outgoing += size;
	if (cache->outgoing > OUTGOING_MOST)
		fl_cache_send_all(cache);
	else if (outbox->n >= OUTBOX_SLOTS)
		send_outbox(outbox);
}

/* The slab of a slot that was sent to this cache; NULL, sent on, when another cache has adopted it meanwhile. */
static struct fl_slab *slab_of(const struct fl_cache *cache, struct fl_slot *slot)
{
	const struct fl_region *region = cache->region;

	if (fl_granule_of(region, slot) >= __atomic_load_n(&region->frontier, __ATOMIC_RELAXED))
		region = fl_region_find(slot);
	uint64_t word = fl_map_get(region, fl_granule_of(region, slot));
	if (fl_map_id(word) == fl_cache_id(cache))
		return fl_map_descriptor(word);
	fl_cache_send(fl_cache_by_id(fl_map_id(word)), slot, slot);
	return NULL;
}

void fl_cache_free_list(struct fl_cache *cache, struct fl_slot *slot)
{
	while (slot) {
		struct fl_slot *next = fl_slot_next(slot);
		struct fl_slab *slab = slab_of(cache, slot);
		if (slab)
			fl_cache_free_own(cache, slab, slot);
		slot = next;
	}
}

void fl_cache_take_inbox(struct fl_cache *cache)
{
	fl_cache_free_list(cache, __atomic_exchange_n(&cache->inbox, NULL, __ATOMIC_ACQUIRE));
}
