/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program linked with libfallow that runs with libfallow-malloc preloaded has one heap: the public names and
 * the libc names take each other's blocks, count in the same figures and see the same options.
 *
 * Linked with -lfallow.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fallow/fallow.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

static volatile size_t too_large = (size_t)PTRDIFF_MAX + 1;

static void blocks_cross(void)
{
	for (size_t size = 1; size < 40 << 20; size *= 3) {
		char *ours = fallow_malloc(size), *theirs = malloc(size);

		memset(ours, 'o', size);
		memset(theirs, 't', size);
		CHECK(malloc_usable_size(ours) == fallow_usable_size(ours));
		CHECK(malloc_usable_size(theirs) == fallow_usable_size(theirs));
		ours = realloc(ours, size * 2);
		theirs = fallow_realloc(theirs, size * 2);
		CHECK(check_holds(ours, size, 'o'));
		CHECK(check_holds(theirs, size, 't'));
		free(ours);
		fallow_free(theirs);
		free(fallow_calloc(2, size));
		free(fallow_aligned_alloc(4096, size));
		fallow_free(aligned_alloc(4096, size));
	}
}

static void *cross_in_thread(void *block)
{
	fallow_free(block);
	return fallow_malloc(5000);
}

static void figures_are_shared(void)
{
	struct mallinfo2 before = mallinfo2(), after;
	void *block = fallow_malloc(32 << 20);

	after = mallinfo2();
	CHECK(after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + (32 << 20));
	free(block);
}

static void failures_set_errno(void)
{
	errno = 0;
	CHECK(fallow_malloc(too_large) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(fallow_calloc(too_large, 2) == NULL && errno == ENOMEM);
	volatile size_t no_power_of_two = 48;
	errno = 0;
	CHECK(fallow_aligned_alloc(no_power_of_two, 64) == NULL && errno == EINVAL);
	errno = 1789;
	fallow_free(malloc(10));
	fallow_free(NULL);
	CHECK(errno == 1789);
	CHECK(fallow_usable_size(NULL) == 0);
}

int main(int argc, char **argv)
{
	Dl_info info = {0};
	pthread_t thread;
	void *block;

	(void)argc;
	test_preload(argv, NULL);
	check_deadline(60);
	CHECK(dladdr((void *)(uintptr_t)fallow_malloc, &info) != 0);
	CHECK(strcmp(info.dli_fname, getenv("FALLOW_PRELOAD")) == 0);
	blocks_cross();
	if (pthread_create(&thread, NULL, cross_in_thread, malloc(5000)) != 0)
		return 99;
	pthread_join(thread, &block);
	free(block);
	figures_are_shared();
	failures_set_errno();
	return check_status();
}
