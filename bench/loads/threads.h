/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads for the load programs: start some, wait for all.
 */

#ifndef FALLOW_BENCH_THREADS_H
#define FALLOW_BENCH_THREADS_H

#include <pthread.h>

#include "load.h"

static inline void threads_start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	if (pthread_create(thread, NULL, body, argument)) {
		fputs("load: no thread\n", stderr);
		_exit(1);
	}
}

/* Runs body once for each element of an array, all at the same time. */
static inline void threads_run(unsigned count, void *(*body)(void *), void *elements, size_t element_size)
{
	pthread_t threads[64];

	for (unsigned i = 0; i < count; i++)
		threads_start(&threads[i], body, (char *)elements + i * element_size);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

#endif
