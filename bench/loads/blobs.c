/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blobs of 16 to 16,000 bytes in several threads: part written, part freed at home, part sent to the next thread.
 */

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "threads.h"

enum { THREADS = 4, KEPT = 3000, PARCEL = 60, WAITING_MOST = 16 };

struct parcel {
	struct parcel *next;
	void *blobs[PARCEL];
};

static _Atomic(struct parcel *) mailboxes[THREADS];
static atomic_uint waiting[THREADS];
static atomic_bool finished[THREADS];
static long rounds_each;

static void parcel_send(unsigned to, struct parcel *parcel)
{
	atomic_fetch_add(&waiting[to], 1);
	parcel->next = atomic_load(&mailboxes[to]);
	while (!atomic_compare_exchange_weak(&mailboxes[to], &parcel->next, parcel))
		continue;
}

static void parcels_receive(unsigned self)
{
	struct parcel *parcel = atomic_exchange(&mailboxes[self], NULL);

	while (parcel) {
		struct parcel *next = parcel->next;

		for (int i = 0; i < PARCEL; i++)
			free(parcel->blobs[i]);
		free(parcel);
		atomic_fetch_sub(&waiting[self], 1);
		parcel = next;
	}
}

static void *blob_make(uint64_t *state)
{
	size_t size = load_between(state, 16, load_random(state) % 4 ? 1000 : 16000);
	void *blob = load_must(malloc(size));

	memset(blob, (int)size, size < 64 ? size : 64);
	((unsigned char *)blob)[size - 1] = 1;
	return blob;
}

static void *thread_run(void *argument)
{
	unsigned self = *(unsigned *)argument, next = (self + 1) % THREADS;
	uint64_t state = load_seed(self);
	void **kept = load_must(calloc(KEPT, sizeof *kept));

	for (long r = 0; r < rounds_each; r++) {
		struct parcel *parcel = load_must(malloc(sizeof *parcel));

		for (int i = 0; i < PARCEL; i++) {
			unsigned slot = load_random(&state) % KEPT;

			parcel->blobs[i] = kept[slot];
			kept[slot] = blob_make(&state);
			slot = load_random(&state) % KEPT;
			free(kept[slot]);
			kept[slot] = blob_make(&state);
		}
		/* What would go to a thread that has ended is freed at home. */
		parcel_send(atomic_load(&finished[next]) ? self : next, parcel);
		parcels_receive(self);
		/* Nobody runs far ahead, so that what is alive stays bounded; who waits goes on receiving. */
		while (atomic_load(&waiting[next]) > WAITING_MOST && !atomic_load(&finished[next])) {
			sched_yield();
			parcels_receive(self);
		}
	}
	atomic_store(&finished[self], true);
	for (int i = 0; i < KEPT; i++)
		free(kept[i]);
	free(kept);
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned selves[THREADS];

	rounds_each = load_scaled(argc, argv, 10000);
	for (unsigned i = 0; i < THREADS; i++)
		selves[i] = i;
	threads_run(THREADS, thread_run, selves, sizeof selves[0]);
	for (unsigned i = 0; i < THREADS; i++)
		parcels_receive(i);
	load_report("blobs", THREADS * rounds_each * PARCEL, 0);
	return 0;
}
