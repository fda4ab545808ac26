/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages passed around a ring of threads, as async runtimes do.
 *
 * Each station takes all that is in its inbox, allocates an answer to each
 * message, frees the message, and sends the answers on: allocation here, free
 * next door, always. Who finds the inbox empty sleeps.
 */

#include "threads.h"

enum { STATIONS = 4, IN_FLIGHT = 1000, MESSAGES = STATIONS * IN_FLIGHT };

struct message {
	uint32_t size;
	uint32_t hops;
	unsigned char body[];
};

struct batch {
	unsigned count;
	struct message *messages[MESSAGES];
};

struct inbox {
	_Alignas(64) pthread_mutex_t lock;
	pthread_cond_t filled;
	struct batch waiting;
};

static struct inbox inboxes[STATIONS];
static uint32_t hops_each;

static struct message *message_make(uint64_t *state, uint32_t hops)
{
	size_t size = load_size_skewed(state, 512);
	struct message *message = load_must(malloc(sizeof *message + size));

	message->size = (uint32_t)size;
	message->hops = hops;
	load_mark(message->body, size);
	return message;
}

static void batch_add(struct batch *to, const struct batch *from)
{
	memcpy(to->messages + to->count, from->messages, from->count * sizeof from->messages[0]);
	to->count += from->count;
}

static void inbox_put(struct inbox *inbox, const struct batch *batch)
{
	pthread_mutex_lock(&inbox->lock);
	batch_add(&inbox->waiting, batch);
	pthread_cond_signal(&inbox->filled);
	pthread_mutex_unlock(&inbox->lock);
}

static void inbox_take(struct inbox *inbox, struct batch *batch)
{
	pthread_mutex_lock(&inbox->lock);
	while (inbox->waiting.count == 0)
		pthread_cond_wait(&inbox->filled, &inbox->lock);
	batch->count = 0;
	batch_add(batch, &inbox->waiting);
	inbox->waiting.count = 0;
	pthread_mutex_unlock(&inbox->lock);
}

static struct message *message_answer(uint64_t *state, struct message *message)
{
	struct message *answer = message_make(state, message->hops + 1);

	load_mark_check(message->body, message->size);
	free(message);
	return answer;
}

static void *station_run(void *argument)
{
	unsigned station = *(unsigned *)argument;
	struct inbox *mine = &inboxes[station], *next = &inboxes[(station + 1) % STATIONS];
	struct batch batch = {IN_FLIGHT, {NULL}};
	uint64_t state = load_seed(station);

	for (unsigned i = 0; i < IN_FLIGHT; i++)
		batch.messages[i] = message_make(&state, 0);
	inbox_put(next, &batch);
	for (long ended = 0; ended < IN_FLIGHT;) {
		unsigned going = 0;

		inbox_take(mine, &batch);
		for (unsigned i = 0; i < batch.count; i++) {
			struct message *message = batch.messages[i];

			if (message->hops == hops_each) {
				free(message);
				ended++;
			} else {
				batch.messages[going++] = message_answer(&state, message);
			}
		}
		batch.count = going;
		if (going)
			inbox_put(next, &batch);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned stations[STATIONS];

	/* A whole number of rounds, so that each station ends what it began. */
	hops_each = (uint32_t)load_scaled(argc, argv, 2500) * STATIONS + STATIONS - 1;
	for (unsigned i = 0; i < STATIONS; i++) {
		stations[i] = i;
		pthread_mutex_init(&inboxes[i].lock, NULL);
		pthread_cond_init(&inboxes[i].filled, NULL);
	}
	threads_run(STATIONS, station_run, stations, sizeof stations[0]);
	load_report("ring", (long)MESSAGES * hops_each, 0);
	return 0;
}
