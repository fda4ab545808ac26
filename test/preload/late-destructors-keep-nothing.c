/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that threads which allocate in their last destructors, after the allocator has let go of the thread, leak nothing:
 * 20,000 of them leave resident memory where 2,000 left it.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { WARM_UP = 2000, THREADS = 20000, GROWTH_KIB = 4096 };

static pthread_key_t key;

static void late(void *value)
{
	void *small = malloc(100), *medium = malloc(9000);

	memset(small, 1, 100);
	memset(medium, 2, 9000);
	free(small);
	free(medium);
	if ((uintptr_t)value < 4)
		CHECK(pthread_setspecific(key, (void *)((uintptr_t)value + 1)) == 0);
}

static void *body(void *arg)
{
	free(malloc(50));
	CHECK(pthread_setspecific(key, (void *)1) == 0);
	return arg;
}

static void run_threads(int count)
{
	for (int i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, body, NULL) != 0)
			_exit(99);
		pthread_join(thread, NULL);
	}
}

static long resident_kib(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		_exit(99);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
	long before, after;

	(void)argc;
	test_preload(argv, NULL);
	check_deadline(120);
	if (pthread_key_create(&key, late) != 0)
		return 99;
	run_threads(WARM_UP);
	before = resident_kib();
	run_threads(THREADS);
	after = resident_kib();
	printf("resident after %d threads %ld KiB, after %d more %ld KiB\n", WARM_UP, before, THREADS, after);
	CHECK(after < before + GROWTH_KIB);
	return check_status();
}
