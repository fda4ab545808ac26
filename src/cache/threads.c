/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and their caches.
 */
#include "cache/threads.h"

#include <errno.h>
#include <pthread.h>

#include "cache/depot.h"
#include "diag/valgrind.h"
#include "extent/decay.h"
#include "meta/meta.h"
#include "os/os.h"

#define NIDS 65536
#define FIRST_ID (FL_ID_LARGE + 1)
#define NARENAS 4096

/* Parked caches beyond this many are emptied when they are parked. */
#define PARKED_WARM 8

/*
 * glibc runs destructors of thread-specific data so often while any are set again: ours waits for the last round. There
 * ThreadSanitizer has none of the thread's state any more.
 */
#if defined(__SANITIZE_THREAD__)
#define LAST_ROUND 0
#else
#define LAST_ROUND 3
#endif

struct entry {
	uint64_t serial;
	struct fl_cache *cache;
};

struct table {
	size_t n;
	struct entry entries[];
};

static __thread struct table *table FL_PURE_TLS;
static __thread uint8_t rounds FL_PURE_TLS; /* of destructors, or EXITED */
#define EXITED UINT8_MAX

static struct {
	struct fl_lock lock;
	unsigned int next; /* never used before */
	unsigned int nfree;
} ids = { .lock = FL_LOCK_INIT(FL_RANK_IDS), .next = FIRST_ID };

struct fl_arena_registry fl_arena_registry = { .lock = FL_LOCK_INIT(FL_RANK_ARENAS) };

/* Apart from what is initialised: so they cost no memory until they are used. Atomic; written under the locks above. */
struct fl_cache *fl_cache_with_id[NIDS];
struct fallow_arena *fl_arena_by_index[NARENAS];

static pthread_key_t key;
static bool key_exists;
size_t fl_ncaches;

struct fl_cache *fl_cache_by_id(unsigned int id)
{
	return __atomic_load_n(&fl_cache_with_id[id], __ATOMIC_ACQUIRE);
}

/* 0: all ids are in use. */
static unsigned int take_id(struct fl_cache *cache)
{
	unsigned int id = 0;

	fl_lock_take(&ids.lock);
	if (ids.nfree > 0) {
		for (id = FIRST_ID; fl_cache_with_id[id] != NULL; id++)
			;
		ids.nfree--;
	} else if (ids.next < NIDS) {
		id = ids.next++;
	}
	if (id != 0)
		__atomic_store_n(&fl_cache_with_id[id], cache, __ATOMIC_RELEASE);
	fl_lock_put(&ids.lock);
	return id;
}

static void put_id(unsigned int id)
{
	fl_lock_take(&ids.lock);
	__atomic_store_n(&fl_cache_with_id[id], NULL, __ATOMIC_RELEASE);
	ids.nfree++;
	fl_lock_put(&ids.lock);
}

struct fl_cache *fl_cache_create(struct fallow_arena *arena)
{
	struct fl_cache *cache = fl_meta_alloc(sizeof(*cache));

	if (cache == NULL)
		return NULL;
	unsigned int id = take_id(cache);
	if (id == 0) {
		fl_meta_free(cache, sizeof(*cache));
		return NULL;
	}
	cache->key = (uint64_t)id << FL_ID_SHIFT;
	cache->region = arena->region;
	cache->base = cache->region->base;
	cache->map = cache->region->map;
	cache->arena = arena;
	if (arena->depot) {
		cache->magazines = fl_magazines_create(arena->depot);
		if (cache->magazines == NULL) {
			put_id(id);
			fl_meta_free(cache, sizeof(*cache));
			return NULL;
		}
	}
	fl_lock_init(&cache->lock, FL_RANK_CACHE);
	cache->next = arena->caches;
	arena->caches = cache;
	__atomic_add_fetch(&fl_ncaches, 1, __ATOMIC_RELAXED);
	return cache;
}

/* A parked cache of the arena or a new one, now the calling thread's. */
static struct fl_cache *acquire(struct fallow_arena *arena)
{
	fl_lock_take(&arena->lock);
	struct fl_cache *cache = arena->parked;
	if (cache) {
		__atomic_store_n(&arena->parked, cache->next_parked, __ATOMIC_RELAXED);
		arena->nparked--;
	} else {
		cache = fl_cache_create(arena);
	}
	if (cache)
		__atomic_store_n(&cache->thread, &fl_cache_self, __ATOMIC_RELAXED);
	fl_lock_put(&arena->lock);
	return cache;
}

static void park(struct fl_cache *cache)
{
	struct fallow_arena *arena = cache->arena;

	fl_lock_take(&arena->lock);
	fl_cache_send_all(cache);
	if (arena->nparked >= PARKED_WARM)
		fl_cache_flush(cache);
	__atomic_store_n(&cache->thread, NULL, __ATOMIC_RELAXED);
	cache->next_parked = arena->parked;
	__atomic_store_n(&arena->parked, cache, __ATOMIC_RELAXED);
	arena->nparked++;
	fl_lock_put(&arena->lock);
}

/* Have thread_exit() run in this thread. May allocate. */
static void expect_exit(void)
{
	if (key_exists)
		pthread_setspecific(key, &key);
}

/* A table with room for index. */
static struct table *grow_table(size_t index)
{
	size_t n = (size_t)1 << fl_log2_ceil(index + 1);
	struct table *grown = fl_meta_alloc(sizeof(*grown) + n * sizeof(struct entry));

	if (grown == NULL)
		return NULL;
	grown->n = n;
	if (table) {
		__builtin_memcpy(grown->entries, table->entries, table->n * sizeof(struct entry));
		fl_meta_free(table, sizeof(*table) + table->n * sizeof(struct entry));
	}
	return table = grown;
}

static struct fl_cache *cache_in_table(struct fallow_arena *arena)
{
	size_t index = arena->index;

	if (table == NULL || index >= table->n) {
		if (grow_table(index) == NULL)
			return NULL;
	}
	struct entry *entry = &table->entries[index];
	if (fl_unlikely(entry->serial != arena->serial)) {
		struct fl_cache *cache = acquire(arena);
		if (cache == NULL)
			return NULL;
		*entry = (struct entry){ arena->serial, cache };
		expect_exit();
	}
	return table->entries[index].cache;
}

struct fl_cache *fl_cache_of(struct fallow_arena *arena)
{
	if (rounds == EXITED)
		return NULL;
	/* Who has no cache in hand takes the slow paths. */
	if (arena->index != 0 || fl_valgrind_watches)
		return cache_in_table(arena);
	if (fl_unlikely(fl_cache_self == fl_cache_none)) {
		struct fl_cache *cache = acquire(arena);
		if (cache == NULL)
			return NULL;
		fl_cache_self = cache;
		expect_exit();
	}
	return fl_cache_self;
}

static void park_table(void)
{
	fl_lock_take(&fl_arena_registry.lock);
	for (size_t i = 0; i < table->n; i++) {
		struct fallow_arena *arena = fl_arena_by_index[i];
		if (arena && table->entries[i].cache && table->entries[i].serial == arena->serial)
			park(table->entries[i].cache);
	}
	fl_lock_put(&fl_arena_registry.lock);
	fl_meta_free(table, sizeof(*table) + table->n * sizeof(struct entry));
	table = NULL;
}

static void thread_exit(void *value)
{
	if (rounds < LAST_ROUND) {
		rounds++;
		pthread_setspecific(key, value);
		return;
	}
	rounds = EXITED;
	fl_valgrind_silence();
	if (table)
		park_table();
	if (fl_cache_self != fl_cache_none) {
		struct fl_cache *cache = fl_cache_self;
		fl_cache_self = fl_cache_none;
		park(cache);
	}
	fl_decay_thread_ends();
	fl_valgrind_speak();
}

void fl_cache_start(void)
{
	key_exists = pthread_key_create(&key, thread_exit) == 0;
	/* The thread that starts the heap had no key to set. */
	expect_exit();
}

int fl_cache_attach(struct fallow_arena *arena)
{
	int result = -ENOMEM;

	fl_lock_take(&fl_arena_registry.lock);
	for (unsigned int i = 0; i < NARENAS && result != 0; i++) {
		if (fl_arena_by_index[i] == NULL) {
			arena->index = i;
			__atomic_store_n(&fl_arena_by_index[i], arena, __ATOMIC_RELEASE);
			if (i >= fl_arena_registry.n)
				__atomic_store_n(&fl_arena_registry.n, i + 1, __ATOMIC_RELEASE);
			result = 0;
		}
	}
	fl_lock_put(&fl_arena_registry.lock);
	return result;
}

void fl_cache_detach(struct fallow_arena *arena)
{
	fl_decay_pause();
	fl_lock_take(&fl_arena_registry.lock);
	__atomic_store_n(&fl_arena_by_index[arena->index], NULL, __ATOMIC_RELEASE);
	fl_lock_put(&fl_arena_registry.lock);
	fl_decay_resume();
	for (struct fl_cache *cache = arena->caches, *next; cache; cache = next) {
		next = cache->next;
		put_id(fl_cache_id(cache));
		fl_meta_free(cache, sizeof(*cache));
		__atomic_sub_fetch(&fl_ncaches, 1, __ATOMIC_RELAXED);
	}
}

struct fallow_arena *fl_arena_next(const struct fallow_arena *after)
{
	size_t n = __atomic_load_n(&fl_arena_registry.n, __ATOMIC_ACQUIRE);

	for (size_t i = after ? after->index + 1 : 0; i < n; i++) {
		struct fallow_arena *arena = __atomic_load_n(&fl_arena_by_index[i], __ATOMIC_ACQUIRE);
		if (arena)
			return arena;
	}
	return NULL;
}

void fl_cache_fork_child(void)
{
	fl_lock_init(&ids.lock, FL_RANK_IDS);
	fl_lock_init(&fl_arena_registry.lock, FL_RANK_ARENAS);
	for (struct fallow_arena *arena = NULL; (arena = fl_arena_next(arena)) != NULL;) {
		fl_lock_init(&arena->lock, FL_RANK_ARENA);
		fl_lock_init(&arena->shared_lock, FL_RANK_SHARED);
		fl_lock_init(&arena->spill_lock, FL_RANK_SPILL);
		arena->parked = NULL;
		arena->nparked = 0;
		for (struct fl_cache *cache = arena->caches; cache; cache = cache->next) {
			bool busy = cache->busy || cache->lock.word != 0;
			fl_lock_init(&cache->lock, FL_RANK_CACHE);
			if (cache->thread == &fl_cache_self || cache == arena->shared)
				continue;
			cache->thread = NULL;
			/* Somebody was at work on it: nobody can finish that. */
			if (busy)
				continue;
			cache->next_parked = arena->parked;
			arena->parked = cache;
			arena->nparked++;
		}
		if (arena->depot)
			fl_depot_fork_child(arena);
	}
}
