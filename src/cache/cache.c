/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slow paths: refilling, what a free leads to, blocks of other threads, and everything that is not small.
 */
#include "cache/cache.h"

#include <errno.h>
#include <string.h>

#include "cache/start.h"
#include "cache/threads.h"
#include "diag/message.h"
#include "diag/options.h"
#include "extent/decay.h"

/* An outbox is sent when it holds so many slots, all of them when they hold so many bytes. */
#define OUTBOX_SLOTS 32
#define OUTGOING_MOST (64 * FL_KIB)

/* Classes whose slots in hand are returned before a new slab is taken. */
#define SWEPT_CLASSES 8

/* Empty slabs of more granules than this are not kept. */
#define SPARE_GRANULES 4

/* Parked caches looked at for slots before a new slab is taken. */
#define ADOPT_TRIES 4

static struct fl_region no_region;
static struct fl_cache no_cache = { .key = UINT64_MAX, .region = &no_region };

__thread struct fl_cache *fl_cache_self FL_PURE_TLS = &no_cache;

struct fl_cache *const fl_cache_none = &no_cache;

/* Lists of slabs */

static void list(struct fl_bin *bin, struct fl_slab *slab)
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

static void unlist(struct fl_bin *bin, struct fl_slab *slab)
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

/*
 * Mark the cache as being changed: a child of fork sees the stores of other threads up to some point in their order, so
 * it sees the flag whenever it sees a part of what the flag covers.
 */
static void begin(struct fl_cache *cache)
{
	cache->busy = true;
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end(struct fl_cache *cache)
{
	__atomic_store_n(&cache->busy, false, __ATOMIC_RELEASE);
}

/* An explicit arena's cache is locked around whatever is done to it. */
static void enter(struct fl_cache *cache)
{
	if (cache->arena->is_explicit)
		fl_lock_take(&cache->lock);
}

static void leave(struct fl_cache *cache)
{
	if (!cache->arena->is_explicit)
		return;
	bool first = __atomic_load_n(&cache->stir, __ATOMIC_RELAXED) == 0;
	__atomic_store_n(&cache->stir, 2, __ATOMIC_RELAXED);
	fl_lock_put(&cache->lock);
	if (first)
		fl_decay_wake();
}

/* Free, on slabs of this cache */

/* Take a slab from its class's list. */
static void withdraw(struct fl_cache *cache, struct fl_slab *slab)
{
	struct fl_bin *bin = &cache->bins[slab->class];

	unlist(bin, slab);
	if (slab->spare != 0) {
		cache->spares[slab->spare - 1] = NULL;
		slab->spare = 0;
	}
}

/* Take an empty slab from its class for good. */
static void strip(struct fl_cache *cache, struct fl_slab *slab)
{
	struct fl_bin *bin = &cache->bins[slab->class];

	withdraw(cache, slab);
	bin->nslabs--;
	if (bin->carving == slab)
		bin->carving = NULL;
}

static void destroy_slab(struct fl_cache *cache, struct fl_slab *slab)
{
	strip(cache, slab);
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

static void return_slots(struct fl_cache *cache, unsigned int class);

static void slab_event(struct fl_cache *cache, struct fl_slab *slab)
{
	unsigned int class = slab->class;
	struct fl_bin *bin = &cache->bins[class];

	if (slab->state == FL_SLAB_FULL) {
		slab->countdown = slab->ncarved - 1u;
		list(bin, slab);
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
		return_slots(cache, class);
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
	begin(cache);
	if (!take_in_hand(cache, slab))
		slab_event(cache, slab);
	end(cache);
}

static void free_own(struct fl_cache *cache, struct fl_slab *slab, struct fl_slot *slot)
{
	slot->next = slab->free;
	slot->slab = slab;
	slab->free = slot;
	if (--slab->countdown == 0)
		slab_event(cache, slab);
}

/* Messages between caches */

static void send(struct fl_cache *owner, struct fl_slot *first, struct fl_slot *last)
{
	struct fl_slot *head = __atomic_load_n(&owner->inbox, __ATOMIC_RELAXED);

	do
		last->next = head;
	while (!__atomic_compare_exchange_n(&owner->inbox, &head, first, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void send_outbox(struct fl_outbox *outbox)
{
	if (outbox->n != 0)
		send(fl_cache_by_id(outbox->id), outbox->first, outbox->last);
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

static void free_remote(struct fl_cache *cache, unsigned int id, struct fl_slot *slot, size_t size)
{
	struct fl_outbox *outbox = &cache->outboxes[id % FL_NOUTBOXES];
	if (outbox->id != id) {
		send_outbox(outbox);
		outbox->id = id;
	}
	slot->next = outbox->first;
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
	send(fl_cache_by_id(fl_map_id(word)), slot, slot);
	return NULL;
}

static void free_list(struct fl_cache *cache, struct fl_slot *slot)
{
	while (slot) {
		struct fl_slot *next = slot->next;
		struct fl_slab *slab = slab_of(cache, slot);
		if (slab)
			free_own(cache, slab, slot);
		slot = next;
	}
}

/* Give slots in hand back to their slabs. */
static void return_slots(struct fl_cache *cache, unsigned int class)
{
	struct fl_slot *slots = cache->heads[class];

	cache->heads[class] = NULL;
	free_list(cache, slots);
}

static void empty_inbox(struct fl_cache *cache)
{
	if (fl_likely(__atomic_load_n(&cache->inbox, __ATOMIC_RELAXED) == NULL))
		return;
	free_list(cache, __atomic_exchange_n(&cache->inbox, NULL, __ATOMIC_ACQUIRE));
}

/* Allocation */

/* Free slots of the class that this cache has already, or can carve. */
static struct fl_slot *refill_own(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_bin *bin = &cache->bins[class];
	struct fl_slab *slab = bin->first;

	if (slab) {
		struct fl_slot *slots = slab->free;
		withdraw(cache, slab);
		slab->free = NULL;
		slab->state = FL_SLAB_FULL;
		slab->lone = slots->next == NULL;
		slab->countdown = 1;
		return slots;
	}
	if (bin->carving == NULL)
		return NULL;
	struct fl_slot *slots = fl_slab_carve(bin->carving, failure);
	if (slots && fl_slab_is_carved(bin->carving))
		bin->carving = NULL;
	return slots;
}

/* Take a slab of the class over from a parked cache. */
static bool adopt(struct fl_cache *cache, unsigned int class)
{
	struct fallow_arena *arena = cache->arena;
	struct fl_slab *slab = NULL;

	if (fl_likely(__atomic_load_n(&arena->parked, __ATOMIC_RELAXED) == NULL))
		return false;
	/* An explicit arena's cache is locked here, and whoever holds the arena's lock may wait for it. */
	if (!fl_lock_try(&arena->lock))
		return false;
	struct fl_cache *parked = arena->parked;
	for (int i = 0; parked && slab == NULL && i < ADOPT_TRIES; parked = parked->next_parked, i++) {
		begin(parked);
		empty_inbox(parked);
		slab = parked->bins[class].first;
		if (slab) {
			strip(parked, slab);
			size_t granule = fl_descriptor_granule(slab->region, slab);
			for (size_t g = 0; g < slab->ngranules; g++)
				fl_map_set(slab->region, granule + g, fl_map_word(fl_cache_id(cache), slab));
		}
		end(parked);
	}
	fl_lock_put(&arena->lock);
	if (slab == NULL)
		return false;
	begin(cache);
	cache->bins[class].nslabs++;
	list(&cache->bins[class], slab);
	if (!fl_slab_is_carved(slab) && cache->bins[class].carving == NULL)
		cache->bins[class].carving = slab;
	end(cache);
	return true;
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
	for (unsigned int class = 0; class < FL_NCLASSES; class++)
		return_slots(cache, class);
	empty_inbox(cache);
	return destroy_spares(cache);
}

bool fl_cache_flush(struct fl_cache *cache)
{
	begin(cache);
	bool any = flush(cache);
	end(cache);
	return any;
}

/* An empty slab of any class, made one of this class. NULL: none of so many granules. */
static struct fl_slab *recast_spare(struct fl_cache *cache, unsigned int class, size_t ngranules)
{
	for (size_t i = 0; i < FL_NSPARES; i++) {
		struct fl_slab *slab = cache->spares[i];
		if (slab && slab->ngranules == ngranules) {
			begin(cache);
			strip(cache, slab);
			fl_slab_recast(slab, class);
			end(cache);
			return slab;
		}
	}
	return NULL;
}

/* Slots in hand of a class that is not used any more keep a slab from others: return those of some classes in turn. */
static void sweep(struct fl_cache *cache)
{
	begin(cache);
	for (int i = 0; i < SWEPT_CLASSES; i++) {
		return_slots(cache, cache->next_swept);
		cache->next_swept = (uint8_t)((cache->next_swept + 1) % FL_NCLASSES);
	}
	end(cache);
}

static struct fl_slot *refill_new_slab(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_bin *bin = &cache->bins[class];
	/* Of most classes a program has a few blocks only. */
	size_t ngranules = bin->nslabs == 0 ? fl_slab_least(class) : fl_classes[class].ngranules;
	struct fl_slab *slab = recast_spare(cache, class, ngranules);

	if (slab == NULL) {
		sweep(cache);
		slab = recast_spare(cache, class, ngranules);
	}
	if (slab == NULL)
		slab = fl_slab_create(cache->arena, fl_cache_id(cache), class, ngranules, failure);
	if (slab == NULL)
		return NULL;
	begin(cache);
	cache->frontier = __atomic_load_n(&cache->region->frontier, __ATOMIC_ACQUIRE);
	struct fl_slot *slots = fl_slab_carve(slab, failure);
	if (slots) {
		bin->nslabs++;
		if (!fl_slab_is_carved(slab))
			bin->carving = slab;
	} else {
		fl_slab_destroy(slab, cache->arena);
	}
	end(cache);
	return slots;
}

/* The first of slots; the others are in hand from now on. */
static void *hand_out(struct fl_cache *cache, unsigned int class, struct fl_slot *slots)
{
	cache->heads[class] = slots->next;
	slots->slab = NULL;
	return slots;
}

static void *alloc_small(struct fl_cache *cache, unsigned int class, struct fl_failure *failure)
{
	struct fl_slot *slots = cache->heads[class];

	if (slots)
		return hand_out(cache, class, slots);
	do {
		begin(cache);
		empty_inbox(cache);
		slots = refill_own(cache, class, failure);
		end(cache);
	} while (slots == NULL && adopt(cache, class));
	if (slots == NULL) {
		fl_cache_send_all(cache);
		slots = refill_new_slab(cache, class, failure);
	}
	/* Slots in hand of other classes may be what keeps memory from this one. */
	if (slots == NULL && fl_cache_flush(cache))
		slots = refill_new_slab(cache, class, failure);
	return slots ? hand_out(cache, class, slots) : NULL;
}

static void *alloc(struct fl_cache *cache, size_t size, size_t alignment, bool *zero, struct fl_failure *failure)
{
	*zero = false;
	if (fl_class_fits(size, alignment))
		return alloc_small(cache, fl_class_of_aligned(size, alignment), failure);
	void *block = fl_large_alloc(cache->arena, size, alignment, zero, failure);
	if (block == NULL && failure->reason != FALLOW_REASON_TOO_LARGE && fl_cache_flush(cache))
		block = fl_large_alloc(cache->arena, size, alignment, zero, failure);
	return block;
}

/* For threads without a cache of their own. */
static void *alloc_shared(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero,
			  struct fl_failure *failure)
{
	void *block = NULL;

	*failure = (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, ENOMEM };
	fl_lock_take(&arena->shared_lock);
	if (arena->shared == NULL) {
		fl_lock_take(&arena->lock);
		arena->shared = fl_cache_create(arena);
		fl_lock_put(&arena->lock);
	}
	if (arena->shared) {
		enter(arena->shared);
		block = alloc(arena->shared, size, alignment, zero, failure);
		leave(arena->shared);
	}
	fl_lock_put(&arena->shared_lock);
	return block;
}

void *fl_cache_alloc_in(struct fallow_arena *arena, size_t size, size_t alignment, bool *zero)
{
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };
	bool trimmed = false;

	for (unsigned int attempt = 0;; attempt++) {
		struct fl_cache *cache = fl_cache_of(arena);
		void *block;
		if (cache) {
			enter(cache);
			block = alloc(cache, size, alignment, zero, &failure);
			leave(cache);
			if (arena->is_explicit && arena->region->decay != FL_DECAY_NEVER)
				fl_decay_start();
			else
				fl_decay_consider(arena->region, arena->blocks);
		} else {
			block = alloc_shared(arena, size, alignment, zero, &failure);
		}
		if (block != NULL)
			return block;
		if (arena->is_explicit && !trimmed && failure.reason != FALLOW_REASON_TOO_LARGE) {
			/* What other threads have in hand may be all that is missing. */
			fl_cache_trim(arena);
			trimmed = true;
			attempt--;
			continue;
		}
		if (!fl_arena_retry(arena, size, failure, attempt))
			return NULL;
	}
}

void *fl_cache_refill(struct fl_cache *cache, unsigned int class, size_t size)
{
	struct fl_failure failure;

	if (fl_likely(cache->arena != NULL)) {
		begin(cache);
		empty_inbox(cache);
		struct fl_slot *slots = refill_own(cache, class, &failure);
		end(cache);
		if (fl_likely(slots != NULL))
			return hand_out(cache, class, slots);
	}
	return fl_cache_alloc_slow(cache, size, 1, NULL);
}

void *fl_cache_alloc_slow(struct fl_cache *cache, size_t size, size_t alignment, bool *zero)
{
	bool ignored;
	struct fallow_arena *arena = cache->arena;

	if (arena == NULL) {
		arena = fl_start();
		if (arena == NULL) {
			fl_failure_keep((struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM }, size);
			errno = ENOMEM;
			return NULL;
		}
	}
	return fl_cache_alloc_in(arena, size, alignment, zero ? zero : &ignored);
}

/* Free, in every other case */

static void misuse(const void *block, const char *kind) __attribute__((noreturn));

static void misuse(const void *block, const char *kind)
{
	fl_fatal("free of %p: %s", block, kind);
}

static bool contains(const struct fl_slot *slots, const struct fl_slot *slot)
{
	while (slots && slots != slot)
		slots = slots->next;
	return slots != NULL;
}

/*
 * A slot with the mark of a free one. A live block may have copied it: in a slab of this thread the lists tell, what others
 * sent included; elsewhere the link must look like one, too.
 */
static bool is_free(const struct fl_cache *owner, const struct fl_slab *slab, const struct fl_slot *slot, bool own)
{
	if (slot->slab != slab)
		return false;
	if (!own)
		return slot->next == NULL || fl_region_find(slot->next) != NULL;
	return contains(slab->free, slot) || contains(owner->heads[slab->class], slot) ||
	       contains(__atomic_load_n(&owner->inbox, __ATOMIC_ACQUIRE), slot);
}

/* What is at an address where the map knows no start. */
static const char *explain(const struct fl_region *region, size_t granule)
{
	if (region->units[granule / 64].free >> (granule % 64) & 1)
		return "double free";
	return "not the start of a block";
}

struct place {
	struct fl_region *region;
	size_t granule;
	uint64_t word; /* of the map; not 0 */
};

/* Find a block, or end the process. */
static struct place find(const void *block)
{
	struct place place = { .region = fl_region_find(block) };

	if (place.region == NULL)
		misuse(block, "not allocated by fallow");
	place.granule = fl_granule_of(place.region, block);
	if (place.granule >= __atomic_load_n(&place.region->frontier, __ATOMIC_ACQUIRE))
		misuse(block, "not allocated by fallow");
	place.word = fl_map_get(place.region, place.granule);
	if (place.word == 0)
		misuse(block, explain(place.region, place.granule));
	return place;
}

/* The slab of a small block that find() found, or the end of the process. */
static struct fl_slab *check_slot(const struct place *place, const void *block)
{
	struct fl_slab *slab = fl_map_descriptor(place->word);
	size_t first = fl_descriptor_granule(place->region, slab);
	size_t offset = (size_t)((const char *)block - (const char *)fl_granule_address(place->region, first));

	if (offset % fl_classes[place->region->classes[place->granule]].size != 0)
		misuse(block, "not the start of a block");
	return slab;
}

static void free_large(const struct place *place, void *block)
{
	struct fl_large *large = fl_map_descriptor(place->word);

	if (block != fl_granule_address(place->region, place->granule))
		misuse(block, "not the start of a block");
	fl_large_free(large, block);
}

void fl_cache_free_slow(struct fl_cache *cache, void *block)
{
	if (block == NULL)
		return;
	struct place place = find(block);
	unsigned int id = fl_map_id(place.word);
	if (id == FL_ID_LARGE) {
		free_large(&place, block);
		return;
	}

	struct fl_slot *slot = block;
	struct fl_slab *slab = check_slot(&place, block);
	struct fl_cache *owner = fl_cache_by_id(id);
	bool own = __atomic_load_n(&owner->thread, __ATOMIC_RELAXED) == &fl_cache_self;
	if (is_free(owner, slab, slot, own))
		misuse(block, "double free");
	slot->slab = slab;
	if (own) {
		if (owner != cache)
			enter(owner);
		begin(owner);
		free_own(owner, slab, slot);
		end(owner);
		if (owner != cache)
			leave(owner);
		return;
	}
	if (cache->arena == owner->arena)
		free_remote(cache, id, slot, fl_classes[place.region->classes[place.granule]].size);
	else
		send(owner, slot, slot);
}

void fl_cache_free_in(struct fallow_arena *arena, void *block)
{
	struct fl_cache *cache = fl_cache_of(arena);

	if (cache == NULL) {
		fl_cache_free_slow(fl_cache_none, block);
		return;
	}
	enter(cache);
	fl_cache_free(cache, block);
	leave(cache);
}

/* Size and resize */

size_t fl_cache_usable_size(const void *block)
{
	if (block == NULL)
		return 0;
	struct place place = find(block);
	if (fl_map_id(place.word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(place.word))->n << FL_GRANULE_SHIFT;
	return fl_classes[place.region->classes[place.granule]].size;
}

void fl_cache_zero(void *block, size_t size)
{
	struct place place = find(block);

	fl_extent_zero(place.region, place.granule, (size + FL_GRANULE - 1) >> FL_GRANULE_SHIFT);
}

static struct fallow_arena *arena_of(const struct place *place)
{
	if (fl_map_id(place->word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(place->word))->arena;
	return fl_cache_by_id(fl_map_id(place->word))->arena;
}

struct fallow_arena *fl_cache_arena_of(const void *block)
{
	struct place place = find(block);
	return arena_of(&place);
}

/* Whether a block of have bytes is good enough for size bytes: it fits, and wastes less than half. */
static bool suits(size_t have, size_t size)
{
	return size <= have && (size >= have / 2 || have <= 64);
}

void *fl_cache_realloc(struct fl_cache *cache, void *block, size_t size)
{
	if (block == NULL)
		return fl_cache_alloc(cache, size);
	if (size == 0) {
		fl_cache_free(cache, block);
		return NULL;
	}
	size_t have = fl_cache_usable_size(block);
	struct place place = find(block);
	struct fallow_arena *arena = arena_of(&place);
	if (fl_map_id(place.word) == FL_ID_LARGE) {
		if (size > FL_SMALL_MOST && fl_large_resize(fl_map_descriptor(place.word), block, size))
			return block;
	} else if (suits(have, size)) {
		return block;
	}
	bool ignored;
	void *moved = arena == cache->arena ? fl_cache_alloc(cache, size) : fl_cache_alloc_in(arena, size, 1, &ignored);
	if (moved == NULL)
		return NULL;
	memcpy(moved, block, fl_min(have, size));
	fl_cache_free(cache, block);
	return moved;
}

/* Whole arenas */

/* Under the arena's lock. */
static bool flush_any(struct fl_cache *cache)
{
	enter(cache);
	fl_cache_send_all(cache);
	bool any = fl_cache_flush(cache);
	leave(cache);
	__atomic_store_n(&cache->stir, 0, __ATOMIC_RELAXED);
	return any;
}

void fl_cache_trim(struct fallow_arena *arena)
{
	struct fl_cache *own = fl_cache_of(arena);

	fl_lock_take(&arena->lock);
	/* Once more: what the first round sends may go to a cache that it had done with. */
	for (int round = 0; round < 2; round++) {
		for (struct fl_cache *cache = arena->caches; cache; cache = cache->next) {
			const void *thread = __atomic_load_n(&cache->thread, __ATOMIC_RELAXED);
			if (cache == own || arena->is_explicit || (thread == NULL && cache != arena->shared))
				flush_any(cache);
		}
	}
	fl_lock_put(&arena->lock);
}

/* Under the arena's lock. */
static bool flush_if_idle(struct fl_cache *cache)
{
	if (__atomic_load_n(&cache->stir, __ATOMIC_RELAXED) == 0 || !fl_lock_try(&cache->lock))
		return false;
	bool idle = __atomic_sub_fetch(&cache->stir, 1, __ATOMIC_RELAXED) == 0;
	fl_lock_put(&cache->lock);
	return idle && flush_any(cache);
}

/* Returns when to look at the arena again, 0: none of its caches is in use. */
static uint64_t flush_arena(struct fallow_arena *arena, uint64_t now)
{
	bool any = false, again = false;

	fl_lock_take(&arena->lock);
	if (now < arena->look_at) {
		fl_lock_put(&arena->lock);
		return arena->look_at;
	}
	for (struct fl_cache *cache = arena->caches; cache; cache = cache->next) {
		any |= flush_if_idle(cache);
		again |= __atomic_load_n(&cache->stir, __ATOMIC_RELAXED) != 0;
	}
	arena->look_at = again ? now + arena->region->decay / 2 + 1 : 0;
	fl_lock_put(&arena->lock);
	if (any)
		fl_arena_purge(arena);
	return arena->look_at;
}

uint64_t fl_cache_flush_idle(uint64_t now)
{
	uint64_t next = 0;

	/* Called with the helper's lock, which whoever destroys an arena takes first. */
	for (struct fallow_arena *arena = NULL; (arena = fl_arena_next(arena)) != NULL;) {
		if (!arena->is_explicit || arena->region->decay == FL_DECAY_NEVER)
			continue;
		uint64_t at = flush_arena(arena, now);
		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	return next;
}

static void forget(struct fl_cache *cache)
{
	memset(cache->heads, 0, sizeof(cache->heads));
	memset(cache->bins, 0, sizeof(cache->bins));
	memset(cache->spares, 0, sizeof(cache->spares));
	memset(cache->outboxes, 0, sizeof(cache->outboxes));
	cache->outgoing = 0;
	cache->inbox = NULL;
}

/* Another arena on the same pool may be going meanwhile, and its caches with it. */
static bool is_of(const struct place *place, const struct fallow_arena *arena)
{
	if (fl_map_id(place->word) == FL_ID_LARGE)
		return ((struct fl_large *)fl_map_descriptor(place->word))->arena == arena;
	const struct fl_cache *cache = fl_cache_by_id(fl_map_id(place->word));
	return cache != NULL && cache->arena == arena;
}

/* Put every extent of the arena in a region. */
static void put_all(struct fallow_arena *arena, struct fl_region *region)
{
	for (size_t granule = 0; granule < region->frontier;) {
		uint64_t word = fl_map_get(region, granule);
		struct place place = { region, granule, word };
		if (word == 0 || !is_of(&place, arena)) {
			granule++;
			continue;
		}
		void *descriptor = fl_map_descriptor(word);
		if (fl_map_id(word) == FL_ID_LARGE) {
			size_t n = ((struct fl_large *)descriptor)->n;
			fl_large_free(descriptor, fl_granule_address(region, granule));
			granule += n;
		} else {
			granule += ((struct fl_slab *)descriptor)->ngranules;
			fl_slab_destroy(descriptor, arena);
		}
	}
}

void fl_cache_reset_all(struct fallow_arena *arena)
{
	struct fl_region *regions[3];

	fl_lock_take(&arena->lock);
	for (struct fl_cache *cache = arena->caches; cache; cache = cache->next)
		forget(cache);
	fl_lock_put(&arena->lock);
	for (size_t i = 0, n = fl_arena_regions(arena, regions); i < n; i++)
		put_all(arena, regions[i]);
}
