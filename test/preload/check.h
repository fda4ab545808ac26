/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks for programs that run under the preloaded library, usable from any thread, handler, constructor or destructor.
 *
 * A failed check prints one line, without allocating, and the program goes on; check_status() is what main returns.
 * check_deadline() turns a hang into SIGALRM.
 */
#ifndef FALLOW_TEST_PRELOAD_CHECK_H
#define FALLOW_TEST_PRELOAD_CHECK_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int check_failures;

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

static inline void check_failed(const char *file, int line, const char *condition)
{
	char text[512];
	int length = snprintf(text, sizeof text, "FAIL: %s:%d: %s\n", file, line, condition);

	__atomic_fetch_add(&check_failures, 1, __ATOMIC_RELAXED);
	if (write(STDOUT_FILENO, text, (size_t)length) != length)
		_exit(1);
}

static inline int check_status(void)
{
	return __atomic_load_n(&check_failures, __ATOMIC_RELAXED) != 0;
}

static inline void check_deadline(unsigned int seconds)
{
	alarm(seconds);
}

/* Fills a block and says whether it holds what was filled in: stale or shared memory shows. */
static inline void check_fill(void *block, size_t size, unsigned char value)
{
	memset(block, value, size);
}

static inline int check_holds(const void *block, size_t size, unsigned char value)
{
	const unsigned char *bytes = (const unsigned char *)block;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != value)
			return 0;
	return 1;
}

#endif
