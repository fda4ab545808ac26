/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Producers and consumers: every block is freed by a thread that never allocates.
 *
 * Producers fill batches and queue them; consumers check and free them. The
 * queue is short, so that what is alive stays bounded.
 */

#include "threads.h"

enum { PAIRS = 2, BATCH = 120, QUEUE = 32 };

struct batch {
	unsigned char *blocks[BATCH];
	unsigned short sizes[BATCH];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled, drained;
	struct batch *waiting[QUEUE];
	unsigned count;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .drained = PTHREAD_COND_INITIALIZER};

static long batches_each;

static void queue_put(struct batch *batch)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.count == QUEUE)
		pthread_cond_wait(&queue.drained, &queue.lock);
	queue.waiting[queue.count++] = batch;
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

static struct batch *queue_take(void)
{
	struct batch *batch;

	pthread_mutex_lock(&queue.lock);
	while (!queue.count)
		pthread_cond_wait(&queue.filled, &queue.lock);
	batch = queue.waiting[--queue.count];
	pthread_cond_signal(&queue.drained);
	pthread_mutex_unlock(&queue.lock);
	return batch;
}

static void produce(uint64_t state)
{
	for (long b = 0; b < batches_each; b++) {
		struct batch *batch = load_must(malloc(sizeof *batch));

		for (unsigned i = 0; i < BATCH; i++) {
			size_t size = load_size_skewed(&state, 1024);

			batch->sizes[i] = (unsigned short)size;
			batch->blocks[i] = load_must(malloc(size));
			load_mark(batch->blocks[i], size);
		}
		queue_put(batch);
	}
}

static void consume(void)
{
	for (long b = 0; b < batches_each; b++) {
		struct batch *batch = queue_take();

		for (unsigned i = 0; i < BATCH; i++) {
			load_mark_check(batch->blocks[i], batch->sizes[i]);
			free(batch->blocks[i]);
		}
		free(batch);
	}
}

static void *role_run(void *argument)
{
	unsigned role = *(unsigned *)argument;

	if (role % 2)
		consume();
	else
		produce(load_seed(role));
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned roles[2 * PAIRS];

	batches_each = load_scaled(argc, argv, 25000);
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		roles[i] = i;
	threads_run(2 * PAIRS, role_run, roles, sizeof roles[0]);
	load_report("handoff", PAIRS * batches_each * BATCH, queue.count);
	return 0;
}
