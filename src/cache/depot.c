/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exchanging slots with slabs.
 */
#include "cache/depot.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "cache/hardened.h"
#include "cache/internal.h"
#include "cache/threads.h"
#include "meta/meta.h"
#include "os/os.h"

/* A magazine has room for slots of so many bytes, within bounds. */
#define MAGAZINE_BYTES (16 * FL_KIB)
#define MAGAZINE_LEAST 4
#define MAGAZINE_MOST 128

/* Of a magazine's room so much stays back when freed slots are made ready. */
#define KEPT_SHARE 8

/* A bin's stock is as many slots as some magazines hold. */
#define STOCK_MAGAZINES 8

static size_t capacity(unsigned int class)
{
	return fl_max(fl_min(MAGAZINE_BYTES / fl_classes[class].size, MAGAZINE_MOST), MAGAZINE_LEAST);
}

/* Bytes of a slab's bits. */
static size_t bits_length(const struct fl_slab *slab)
{
	return fl_div_up(slab->nslots, FL_WORD_BITS) * sizeof(uint64_t);
}

/* 64 bits that a program cannot foretell: Wang Yi's wyrand. */
static uint64_t draw(struct fl_magazines *magazines)
{
	magazines->random += UINT64_C(0xa0761d6478bd642f);
	__extension__ unsigned __int128 product =
		(unsigned __int128)magazines->random * (magazines->random ^ UINT64_C(0xe7037ed1a0b428db));
	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

int fl_depot_create(struct fallow_arena *arena)
{
	struct fl_depot *depot = fl_meta_alloc(sizeof(*depot));

	if (depot == NULL)
		return -ENOMEM;
	depot->arena = arena;
	depot->secrets[0] = fl_os_random();
	depot->secrets[1] = fl_os_random() | 1;
	for (unsigned int class = 0; class < FL_NCLASSES; class++) {
		depot->inverse[class] = fl_div_up(UINT64_C(1) << 32, fl_classes[class].size / 16);
		fl_lock_init(&depot->bins[class].lock, FL_RANK_DEPOT);
		depot->bins[class].most = STOCK_MAGAZINES * capacity(class);
		depot->bins[class].stock = fl_meta_alloc(depot->bins[class].most * sizeof(char *));
		if (depot->bins[class].stock == NULL)
			return -ENOMEM;
	}
	arena->shared = fl_cache_create(arena);
	if (arena->shared == NULL)
		return -ENOMEM;
	depot->key = arena->shared->key;
	arena->shared->magazines = fl_magazines_create(depot);
	if (arena->shared->magazines == NULL)
		return -ENOMEM;
	arena->depot = depot;
	return 0;
}

struct fl_magazines *fl_magazines_create(struct fl_depot *depot)
{
	const struct fl_region *region = depot->arena->region;
	size_t total = 1; /* a word below the first slot */

	for (unsigned int class = 0; class < FL_NCLASSES; class++)
		total += 2 * capacity(class);
	struct fl_magazines *magazines = fl_meta_alloc(sizeof(*magazines) + total * sizeof(char *));
	if (magazines == NULL)
		return NULL;
	magazines->base = region->base;
	magazines->map = region->map;
	magazines->classes = region->classes;
	magazines->key = depot->key;
	magazines->secrets[0] = depot->secrets[0];
	magazines->secrets[1] = depot->secrets[1];
	magazines->random = fl_os_random();
	magazines->depot = depot;
	char **slots = (char **)(magazines + 1) + 1;
	for (unsigned int class = 0; class < FL_NCLASSES; class++) {
		size_t most = capacity(class);
		magazines->of[class] = (struct fl_magazine){
			.top = slots,
			.freed_top = slots + most,
			.freed_end = slots + 2 * most,
			.ready = slots,
			.freed = slots + most,
			.most = (uint32_t)most,
			.size = fl_classes[class].size,
			/* The smallest class is passed over: both ends of a slot are looked at, 32 bytes each. */
			.too_large = class == 0 ? 0 : fl_classes[class].size - FL_CANARY_SIZE + 1,
		};
		slots += 2 * most;
	}
	return magazines;
}

/* Under the bin's lock, from here on. */

static void add_slab(struct fl_depot_bin *bin, struct fl_slab *slab)
{
	bin->slabs.nslabs++;
	if (!fl_slab_is_carved(slab))
		bin->slabs.carving = slab;
}

static void remove_slab(struct fl_depot_bin *bin, struct fl_slab *slab)
{
	fl_bin_unlist(&bin->slabs, slab);
	bin->slabs.nslabs--;
	if (bin->slabs.carving == slab)
		bin->slabs.carving = NULL;
}

static bool carve(struct fl_depot_bin *bin, struct fl_slab *slab, struct fl_failure *failure)
{
	size_t size = fl_classes[slab->class].size;
	size_t first = slab->ncarved;
	size_t n = fl_slab_extend(slab, failure);

	if (n == 0)
		return false;
	/* The extent may have been somebody else's. */
	memset(fl_slab_start(slab) + first * size, 0, n * size);
	for (size_t i = first; i < first + n; i++)
		fl_bitmap_set(slab->bits, i);
	if (slab->state == FL_SLAB_FULL)
		fl_bin_list(&bin->slabs, slab);
	if (fl_slab_is_carved(slab))
		bin->slabs.carving = NULL;
	return true;
}

static size_t nready(const struct fl_magazine *magazine)
{
	return (size_t)(magazine->top - magazine->ready);
}

/* Make up to most slots ready that are a slab's by one word of its bits. */
static void take_word(struct fl_magazine *magazine, struct fl_slab *slab, size_t word, size_t most)
{
	char *first = fl_slab_start(slab) + word * FL_WORD_BITS * magazine->size;
	uint64_t bits = slab->bits[word];
	char **top = magazine->top, **end = magazine->ready + most;

	for (; bits != 0 && top < end; bits &= bits - 1)
		*top++ = first + (size_t)__builtin_ctzll(bits) * magazine->size;
	slab->bits[word] = bits;
	slab->countdown += (uint32_t)(top - magazine->top);
	/* After the slots, for a child of fork. */
	__atomic_store_n(&magazine->top, top, __ATOMIC_RELEASE);
}

/* From anywhere in the slabs that have been listed longest. */
static void take(struct fl_magazines *magazines, struct fl_depot_bin *bin, struct fl_magazine *magazine, size_t most,
		 struct fl_failure *failure)
{
	while (nready(magazine) < most) {
		struct fl_slab *slab = bin->slabs.first;
		if (slab == NULL) {
			if (bin->slabs.carving == NULL || !carve(bin, bin->slabs.carving, failure))
				return;
			continue;
		}
		size_t nwords = fl_div_up(slab->ncarved, FL_WORD_BITS);
		size_t word = (draw(magazines) & UINT16_MAX) * nwords >> 16;
		for (size_t i = 0; i < nwords && nready(magazine) < most; i++) {
			take_word(magazine, slab, word, most);
			word = word + 1 == nwords ? 0 : word + 1;
		}
		if (slab->countdown == slab->ncarved) {
			fl_bin_unlist(&bin->slabs, slab);
			slab->state = FL_SLAB_FULL;
		}
	}
}

/* Without the lock. */
static struct fl_slab *create_slab(struct fl_depot *depot, unsigned int class, size_t nslabs, struct fl_failure *failure)
{
	/* Of most classes a program has a few blocks only. */
	size_t ngranules = nslabs == 0 ? fl_slab_least(class) : fl_classes[class].ngranules;
	bool eager = nslabs >= FL_EAGER_SLABS;
	struct fl_slab *slab = fl_slab_create(depot->arena, fl_map_id(depot->key), class, ngranules, eager, failure);

	if (slab == NULL)
		return NULL;
	slab->countdown = 0;
	uint64_t *bits = fl_meta_alloc(bits_length(slab));
	if (bits == NULL) {
		*failure = (struct fl_failure){ FALLOW_REASON_SYSTEM_MEMORY, -ENOMEM };
		fl_slab_destroy(slab, depot->arena);
		return NULL;
	}
	slab->bits = bits;
	return slab;
}

static void destroy_slab(struct fl_depot *depot, struct fl_slab *slab)
{
	fl_meta_free(slab->bits, bits_length(slab));
	fl_slab_destroy(slab, depot->arena);
}

static void take_stock(struct fl_depot_bin *bin, struct fl_magazine *magazine, size_t most)
{
	size_t n = fl_min(bin->nstock, most);

	memcpy(magazine->ready, bin->stock + bin->nstock - n, n * sizeof(*bin->stock));
	bin->nstock -= n;
	__atomic_store_n(&magazine->top, magazine->ready + n, __ATOMIC_RELEASE);
}

static bool fill_from_depot(struct fl_magazines *magazines, unsigned int class, struct fl_failure *failure)
{
	struct fl_depot *depot = magazines->depot;
	struct fl_depot_bin *bin = &depot->bins[class];
	struct fl_magazine *magazine = &magazines->of[class];
	size_t most = magazine->most / 2;

	fl_lock_take(&bin->lock);
	take_stock(bin, magazine, most);
	if (nready(magazine) == 0)
		take(magazines, bin, magazine, most, failure);
	size_t nslabs = bin->slabs.nslabs;
	fl_lock_put(&bin->lock);
	if (nready(magazine) == 0) {
		struct fl_slab *slab = create_slab(depot, class, nslabs, failure);
		if (slab == NULL)
			return false;
		fl_lock_take(&bin->lock);
		add_slab(bin, slab);
		take(magazines, bin, magazine, most, failure);
		fl_lock_put(&bin->lock);
	}
	magazines->frontier = __atomic_load_n(&depot->arena->region->frontier, __ATOMIC_ACQUIRE);
	return nready(magazine) > 0;
}

/* Any order of n ready slots is as likely as any other, or nearly. */
static void shuffle(struct fl_magazines *magazines, struct fl_magazine *magazine)
{
	uint64_t bits = 0;

	for (size_t i = 0, n = nready(magazine); i < n; i++) {
		bits = i % 4 == 0 ? draw(magazines) : bits >> 16;
		size_t place = (bits & UINT16_MAX) * (i + 1) >> 16;
		char *slot = magazine->ready[i];
		magazine->ready[i] = magazine->ready[place];
		magazine->ready[place] = slot;
	}
}

/* Make what has waited longest ready. Whatever part of this a child of fork finds, it has no slot twice that is in use. */
static void recycle(struct fl_magazine *magazine, size_t n)
{
	size_t nkept = (size_t)(magazine->freed_top - magazine->freed) - n;

	__atomic_store_n(&magazine->freed_top, magazine->freed, __ATOMIC_RELEASE);
	memcpy(magazine->ready, magazine->freed, n * sizeof(*magazine->ready));
	memmove(magazine->freed, magazine->freed + n, nkept * sizeof(*magazine->freed));
	__atomic_store_n(&magazine->top, magazine->ready + n, __ATOMIC_RELEASE);
	__atomic_store_n(&magazine->freed_top, magazine->freed + nkept, __ATOMIC_RELEASE);
}

bool fl_magazine_fill(struct fl_magazines *magazines, unsigned int class, struct fl_failure *failure)
{
	struct fl_magazine *magazine = &magazines->of[class];
	size_t kept = fl_max(magazine->most / KEPT_SHARE, 1);
	size_t nfreed = (size_t)(magazine->freed_top - magazine->freed);

	if (nfreed > 2 * kept)
		recycle(magazine, nfreed - kept);
	else if (!fill_from_depot(magazines, class, failure))
		return false;
	shuffle(magazines, magazine);
	return true;
}

static struct fl_slab *slab_of(const struct fl_depot *depot, const void *slot)
{
	const struct fl_region *region = depot->arena->region;

	if (fl_granule_of(region, slot) >= __atomic_load_n(&region->frontier, __ATOMIC_RELAXED))
		region = fl_region_find(slot);
	return fl_map_descriptor(fl_map_get(region, fl_granule_of(region, slot)));
}

/* Whether an empty slab is given back: not when nothing else of its class is free. */
static bool is_surplus(const struct fl_depot_bin *bin, const struct fl_slab *slab)
{
	return bin->slabs.first != bin->slabs.last || slab->region->page_granules > 1 || slab->region->decay == 0;
}

static void put(struct fl_depot *depot, struct fl_depot_bin *bin, struct fl_slab *slab, char *slot,
		struct fl_slab **surplus)
{
	size_t index = (size_t)(slot - fl_slab_start(slab)) / 16 * depot->inverse[slab->class] >> 32;

	/* Two threads at once, or a program that put the canary back. */
	if (fl_bitmap_test(slab->bits, index))
		fl_block_misuse_freed("free", slot);
	fl_bitmap_set(slab->bits, index);
	if (slab->state == FL_SLAB_FULL)
		fl_bin_list(&bin->slabs, slab);
	if (--slab->countdown == 0 && is_surplus(bin, slab)) {
		remove_slab(bin, slab);
		slab->next = *surplus;
		*surplus = slab;
	}
}

void fl_depot_put(struct fl_depot *depot, unsigned int class, char *const *slots, size_t n)
{
	struct fl_depot_bin *bin = &depot->bins[class];
	struct fl_slab *slab = slab_of(depot, slots[0]), *surplus = NULL;

	fl_lock_take(&bin->lock);
	for (size_t i = 0; i < n; i++) {
		/* The next slot is often of the same slab. */
		if ((size_t)(slots[i] - fl_slab_start(slab)) >= (size_t)slab->ngranules << FL_GRANULE_SHIFT)
			slab = slab_of(depot, slots[i]);
		put(depot, bin, slab, slots[i], &surplus);
	}
	fl_lock_put(&bin->lock);
	for (struct fl_slab *next; surplus; surplus = next) {
		next = surplus->next;
		destroy_slab(depot, surplus);
	}
}

/* False when there is no room for them. */
static bool put_in_stock(struct fl_depot *depot, unsigned int class, char *const *slots, size_t n)
{
	struct fl_depot_bin *bin = &depot->bins[class];

	fl_lock_take(&bin->lock);
	bool fits = n <= bin->most - bin->nstock;
	if (fits) {
		memcpy(bin->stock + bin->nstock, slots, n * sizeof(*slots));
		bin->nstock += n;
	}
	fl_lock_put(&bin->lock);
	return fits;
}

void fl_magazine_drain(struct fl_magazines *magazines, unsigned int class)
{
	struct fl_magazine *magazine = &magazines->of[class];
	char *oldest[MAGAZINE_MOST];
	size_t nkept = magazine->most / 2, n = magazine->most - nkept;

	memcpy(oldest, magazine->freed, n * sizeof(*oldest));
	__atomic_store_n(&magazine->freed_top, magazine->freed, __ATOMIC_RELEASE);
	memmove(magazine->freed, magazine->freed + n, nkept * sizeof(*oldest));
	__atomic_store_n(&magazine->freed_top, magazine->freed + nkept, __ATOMIC_RELEASE);
	if (!put_in_stock(magazines->depot, class, oldest, n))
		fl_depot_put(magazines->depot, class, oldest, n);
}

static bool flush(struct fl_depot *depot, unsigned int class, char **slots, char ***top)
{
	size_t n = (size_t)(*top - slots);

	__atomic_store_n(top, slots, __ATOMIC_RELEASE);
	if (n != 0)
		fl_depot_put(depot, class, slots, n);
	return n != 0;
}

static bool flush_stock(struct fl_depot *depot, unsigned int class)
{
	struct fl_depot_bin *bin = &depot->bins[class];
	char *slots[MAGAZINE_MOST];
	bool any = false;

	for (;;) {
		fl_lock_take(&bin->lock);
		size_t n = fl_min(bin->nstock, MAGAZINE_MOST);
		bin->nstock -= n;
		memcpy(slots, bin->stock + bin->nstock, n * sizeof(*slots));
		fl_lock_put(&bin->lock);
		if (n == 0)
			return any;
		fl_depot_put(depot, class, slots, n);
		any = true;
	}
}

bool fl_magazines_flush(struct fl_magazines *magazines)
{
	bool any = false;

	for (unsigned int class = 0; class < FL_NCLASSES; class++) {
		struct fl_magazine *magazine = &magazines->of[class];
		any |= flush(magazines->depot, class, magazine->ready, &magazine->top);
		any |= flush(magazines->depot, class, magazine->freed, &magazine->freed_top);
		any |= flush_stock(magazines->depot, class);
	}
	return any;
}

/* In a child of fork */

/* Make a slab's countdown and its place anew from its bits. */
static void mend_slab(struct fl_depot_bin *bin, struct fl_slab *slab)
{
	slab->countdown = slab->ncarved;
	for (size_t i = 0; i < bits_length(slab) / sizeof(uint64_t); i++)
		slab->countdown -= (uint32_t)__builtin_popcountll(slab->bits[i]);
	slab->state = FL_SLAB_FULL;
	bin->slabs.nslabs++;
	if (slab->countdown < slab->ncarved)
		fl_bin_list(&bin->slabs, slab);
}

/* Slabs that somebody was making have no bits yet, and are lost. */
static void mend_bin(struct fl_depot *depot, unsigned int class)
{
	struct fl_region *regions[3];
	struct fl_depot_bin *bin = &depot->bins[class];

	bin->slabs = (struct fl_bin){ 0 };
	bin->nstock = 0;
	for (size_t i = 0, n = fl_arena_regions(depot->arena, regions); i < n; i++) {
		for (size_t granule = 0; granule < regions[i]->frontier; granule++) {
			uint64_t word = fl_map_get(regions[i], granule);
			struct fl_slab *slab = fl_map_descriptor(word);
			if (fl_map_id(word) == fl_map_id(depot->key) && slab->class == class && slab->bits != NULL &&
			    fl_descriptor_granule(regions[i], slab) == granule)
				mend_slab(bin, slab);
		}
	}
}

void fl_depot_fork_child(struct fallow_arena *arena)
{
	struct fl_depot *depot = arena->depot;

	for (unsigned int class = 0; class < FL_NCLASSES; class++) {
		bool held = depot->bins[class].lock.word != 0;
		fl_lock_init(&depot->bins[class].lock, FL_RANK_DEPOT);
		if (held)
			mend_bin(depot, class);
	}
}
