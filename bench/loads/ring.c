/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages passed around a ring of threads, as async runtimes do.
 *
 * Each station takes a message from its inbox, allocates the answer, frees the
 * message, and sends the answer on: allocation here, free next door, always.
 * Inboxes are single-producer rings without locks.
 */

#include <sched.h>
#include <stdatomic.h>

#include "threads.h"

enum { STATIONS = 4, INBOX = 256, IN_FLIGHT = 128 };

struct message {
	uint32_t size;
	uint32_t hops;
	unsigned char body[];
};

struct inbox {
	_Alignas(64) atomic_uint head;
	_Alignas(64) atomic_uint tail;
	struct message *waiting[INBOX];
};

static struct inbox inboxes[STATIONS];
static long hops_each;

static struct message *message_make(uint64_t *state, uint32_t hops)
{
	size_t size = load_size_skewed(state, 512);
	struct message *message = load_must(malloc(sizeof *message + size));

	message->size = (uint32_t)size;
	message->hops = hops;
	load_mark(message->body, size);
	return message;
}

static void inbox_put(struct inbox *inbox, struct message *message)
{
	unsigned tail = atomic_load_explicit(&inbox->tail, memory_order_relaxed);

	while (tail - atomic_load_explicit(&inbox->head, memory_order_acquire) == INBOX)
		sched_yield();
	inbox->waiting[tail % INBOX] = message;
	atomic_store_explicit(&inbox->tail, tail + 1, memory_order_release);
}

static struct message *inbox_take(struct inbox *inbox)
{
	unsigned head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
	struct message *message;

	while (head == atomic_load_explicit(&inbox->tail, memory_order_acquire))
		sched_yield();
	message = inbox->waiting[head % INBOX];
	atomic_store_explicit(&inbox->head, head + 1, memory_order_release);
	return message;
}

static void *station_run(void *argument)
{
	unsigned station = *(unsigned *)argument;
	struct inbox *mine = &inboxes[station], *next = &inboxes[(station + 1) % STATIONS];
	uint64_t state = load_seed(station);

	for (unsigned i = 0; i < IN_FLIGHT; i++)
		inbox_put(next, message_make(&state, 0));
	for (long hop = 0; hop < hops_each; hop++) {
		struct message *message = inbox_take(mine);
		struct message *answer = message_make(&state, message->hops + 1);

		load_mark_check(message->body, message->size);
		free(message);
		inbox_put(next, answer);
	}
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		free(inbox_take(mine));
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned stations[STATIONS];

	hops_each = load_scaled(argc, argv, 2500000);
	for (unsigned i = 0; i < STATIONS; i++)
		stations[i] = i;
	threads_run(STATIONS, station_run, stations, sizeof stations[0]);
	load_report("ring", STATIONS * hops_each, 0);
	return 0;
}
