/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * live-snapshot: the image of a key-value table as of one instant, written while two threads go on changing it; then
 * the table is restored from it and every entry verified.
 *
 * Redis does this by fork: the child has the instant's table, at the price of a copied page table, of huge pages that
 * come apart, and of as much memory again as is written meanwhile. QEMU's background snapshot does it with userfaultfd
 * by hand, after it has read all of the guest's memory, so that protection sticks where there are no pages yet. Here
 * the parts of the table that were never used take no room in the image, and a write waits for its own page only.
 */
#include <fallow/fallow.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NSLOTS ((size_t)1 << 22)
#define NKEYS 200000
#define NWRITERS 2
#define LACKS 77 /* a skipped test */

/* 32 bytes; key 0 is a free slot. */
struct entry {
	uint64_t key;
	uint64_t value;
	uint64_t nchanges;
	uint64_t proof;
};

struct store {
	pthread_mutex_t lock;
	struct entry *entries;
	uint64_t nchanges;
	double longest; /* milliseconds that a change took, with the lock held */
	bool stop;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void promise(bool holds, const char *what)
{
	if (holds)
		return;
	printf("broken promise: %s\n", what);
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

static uint64_t proof_of(const struct entry *e)
{
	return mix(mix(mix(e->key) + e->value) + e->nchanges);
}

/* The key's slot, or the free one that it would take: keys that go together lie together. */
static struct entry *find(struct entry *entries, uint64_t key)
{
	size_t slot = mix(key / 128) % NSLOTS / 128 * 128 + key % 128;

	while (entries[slot].key != 0 && entries[slot].key != key)
		slot = (slot + 1) % NSLOTS;
	return &entries[slot];
}

static void change(struct store *store, uint64_t key, uint64_t value)
{
	pthread_mutex_lock(&store->lock);
	double began = now_ms();
	struct entry *e = find(store->entries, key);
	*e = (struct entry){ key, value, e->nchanges + 1, 0 };
	e->proof = proof_of(e);
	store->nchanges++;
	double took = now_ms() - began;
	store->longest = took > store->longest ? took : store->longest;
	pthread_mutex_unlock(&store->lock);
}

static void *write_on(void *argument)
{
	struct store *store = argument;
	uint64_t n = mix((uint64_t)pthread_self());

	while (!__atomic_load_n(&store->stop, __ATOMIC_RELAXED)) {
		n = mix(n + 1);
		change(store, 1 + n % NKEYS, n);
	}
	return NULL;
}

static struct fallow_map *new_table(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map = NULL;

	options.length = NSLOTS * sizeof(struct entry);
	promise(fallow_map_create(&options, &map) == 0, "a table costs nothing");
	return map;
}

/* Changes that are in the table, all of whose entries are whole. */
static uint64_t verify(const struct entry *entries)
{
	uint64_t nchanges = 0;

	for (size_t i = 0; i < NSLOTS; i++) {
		if (entries[i].key == 0)
			continue;
		promise(entries[i].proof == proof_of(&entries[i]), "an entry in the image is whole");
		nchanges += entries[i].nchanges;
	}
	return nchanges;
}

/* The lock makes the instant one between two changes. *nchanges are those before it. */
static struct fallow_snapshot *take(struct store *store, struct fallow_map *map, int fd, uint64_t *nchanges)
{
	struct fallow_snapshot *snapshot = NULL;

	pthread_mutex_lock(&store->lock);
	double began = now_ms();
	int result = fallow_snapshot_take(map, fd, NULL, &snapshot);
	printf("taken in %.1f ms\n", now_ms() - began);
	*nchanges = store->nchanges;
	store->longest = 0;
	pthread_mutex_unlock(&store->lock);
	if (result != 0) {
		printf("no snapshot: %s\n", strerror(-result));
		exit(LACKS);
	}
	return snapshot;
}

static void follow(struct fallow_snapshot *snapshot)
{
	struct fallow_snapshot_stat stat = FALLOW_SNAPSHOT_STAT_INIT;

	do {
		usleep(2000);
		promise(fallow_snapshot_progress(snapshot, &stat) == 0, "a snapshot can be asked");
	} while (!stat.finished);
	printf("written: %zu of %zu MiB had content, the image is %zu MiB; %zu writes waited for their page\n",
	       stat.total >> 20, NSLOTS * sizeof(struct entry) >> 20, (size_t)stat.written >> 20, (size_t)stat.nwaits);
	promise(fallow_snapshot_wait(snapshot) == 0, "the image is complete");
}

int main(void)
{
	struct fallow_map *map = new_table(), *copy = new_table();
	struct store store = { .lock = PTHREAD_MUTEX_INITIALIZER, .entries = fallow_map_base(map) };
	FILE *image = tmpfile();
	pthread_t writers[NWRITERS];
	uint64_t taken;

	promise(image != NULL, "there is a place for the image");
	for (uint64_t key = 1; key <= NKEYS; key++)
		change(&store, key, 0);
	for (int i = 0; i < NWRITERS; i++)
		promise(pthread_create(&writers[i], NULL, write_on, &store) == 0, "a thread starts");
	struct fallow_snapshot *snapshot = take(&store, map, fileno(image), &taken);
	follow(snapshot);
	__atomic_store_n(&store.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < NWRITERS; i++)
		pthread_join(writers[i], NULL);
	printf("%zu changes before the instant, %zu after it; the longest of these took %.2f ms\n", (size_t)taken,
	       (size_t)(store.nchanges - taken), store.longest);

	rewind(image);
	promise(fallow_snapshot_restore(copy, fileno(image), NULL) == 0, "the image can be restored");
	promise(verify(fallow_map_base(copy)) == taken, "the image has every change before the instant, and none after it");
	printf("restored: every entry is whole, and as old as the instant\n");
	fclose(image);
	fallow_map_destroy(copy);
	fallow_map_destroy(map);
	return 0;
}
