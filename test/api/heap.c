/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the process heap under its own names does what the header says, in one thread and in eight.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <fallow/malloc.h>
#include <fallow/stats.h>

#include "test/api/pattern.h"
#include "test/lib/test.h"

#define NTHREADS 8
#define NSTEPS 30000
#define NBLOCKS 512
#define SEED 31u

struct block {
	unsigned char *bytes;
	size_t size;
	uint64_t seed;
};

static void *take(uint64_t *random, size_t size, bool *zero)
{
	*zero = false;
	switch (pattern_random(random) % 3) {
	case 0:
		return fallow_malloc(size);
	case 1:
		*zero = true;
		return fallow_calloc(1, size);
	default:
		return fallow_aligned_alloc((size_t)8 << pattern_random(random) % 10, size);
	}
}

/* Random work; what is still there at the end is freed. Returns its argument when all was well. */
static void *work(void *argument)
{
	struct block blocks[NBLOCKS] = { 0 };
	uint64_t random = SEED + *(int *)argument;

	for (uint64_t step = 0; step < NSTEPS; step++) {
		struct block *block = &blocks[pattern_random(&random) % NBLOCKS];
		size_t size = pattern_random(&random) % ((size_t)16 << pattern_random(&random) % 13);
		bool zero;

		if (block->bytes != NULL && !pattern_holds(block->bytes, block->size, block->seed))
			return NULL;
		if (block->bytes != NULL && size > 0 && step % 3 == 0) {
			unsigned char *bytes = fallow_realloc(block->bytes, size);

			if (bytes == NULL || !pattern_holds(bytes, block->size < size ? block->size : size, block->seed))
				return NULL;
			block->bytes = bytes;
		} else {
			fallow_free(block->bytes);
			block->bytes = take(&random, size, &zero);
			if (block->bytes == NULL || (zero && !pattern_zero(block->bytes, size)) ||
			    fallow_usable_size(block->bytes) < size)
				return NULL;
		}
		block->size = size;
		block->seed = step;
		pattern_write(block->bytes, size, step);
	}
	for (int i = 0; i < NBLOCKS; i++)
		fallow_free(blocks[i].bytes);
	return argument;
}

static void keeps_content(void **state)
{
	int number = 0;

	(void)state;
	print_message("seed %u\n", SEED);
	assert_ptr_equal(work(&number), &number);
}

static void keeps_content_in_threads(void **state)
{
	pthread_t threads[NTHREADS];
	int numbers[NTHREADS];

	(void)state;
	for (int i = 0; i < NTHREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
	}
	for (int i = 0; i < NTHREADS; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, &numbers[i]);
	}
}

static void corner_cases(void **state)
{
	void *one = fallow_malloc(0), *other = fallow_malloc(0);
	volatile size_t half = (size_t)1 << 32;
	struct fallow_failure failure;

	(void)state;
	assert_non_null(one);
	assert_non_null(other);
	assert_ptr_not_equal(one, other);
	assert_true((uintptr_t)one % 16 == 0);
	fallow_free(one);
	one = fallow_realloc(other, 100);
	assert_non_null(one);
	assert_null(fallow_realloc(one, 0));
	one = fallow_realloc(NULL, 100);
	assert_non_null(one);
	memset(one, 7, 100);
	errno = 0;
	assert_null(fallow_realloc(one, half * half - 1));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(((unsigned char *)one)[99], 7);
	fallow_free(one);
	errno = 0;
	assert_null(fallow_calloc(half, half));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fallow_last_failure(&failure), 0);
	assert_int_equal(failure.reason, FALLOW_REASON_TOO_LARGE);
}

/* A table that is hardly used costs what is used of it; more than there are addresses for is a clean no. */
static void sparse_tables(void **state)
{
	size_t size = (size_t)8 << 30;
	char *table = fallow_malloc(size);

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < size; i += (size_t)1 << 30)
		table[i] = 'x';
	fallow_free(table);
	errno = 0;
	table = fallow_malloc((size_t)1 << 52);
	assert_null(table);
	assert_int_equal(errno, ENOMEM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_content),
		cmocka_unit_test(keeps_content_in_threads),
		cmocka_unit_test(corner_cases),
		cmocka_unit_test(sparse_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
