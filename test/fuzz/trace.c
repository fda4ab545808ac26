/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One input: a step is on the heap or on maps, made by this thread or by one that lives for it alone, so that blocks come
 * home from elsewhere and caches are parked and taken over.
 */
#include "test/fuzz/fuzz.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NSTEPS_MOST 400

_Noreturn void fuzz_fail(const char *file, int line, const char *condition, long long a, long long b)
{
	fprintf(stderr, "%s:%d: not so: %s (%lld, %lld)\n", file, line, condition, a, b);
	abort();
}

static void step(struct fuzz_input *input)
{
	if (fuzz_byte(input) % 2 == 0)
		fuzz_heap_step(input);
	else
		fuzz_map_step(input);
}

static void *step_elsewhere(void *input)
{
	step(input);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes)
{
	struct fuzz_input input = { bytes, nbytes };
	pthread_t thread;

	for (int i = 0; i < NSTEPS_MOST && input.left > 0; i++) {
		if (!fuzz_one_in(&input, 8)) {
			step(&input);
			continue;
		}
		expect_equal(pthread_create(&thread, NULL, step_elsewhere, &input), 0);
		expect_equal(pthread_join(thread, NULL), 0);
	}
	fuzz_map_end();
	fuzz_heap_end();
	return 0;
}
