/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every C test includes: cmocka with the headers that it wants first, and the ways to end without a verdict.
 */
#ifndef FALLOW_TEST_TEST_H
#define FALLOW_TEST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEST_SKIP 77
#define TEST_HARD_ERROR 99

/* End the whole program as skipped; reason says what the machine lacks. Call it before any cmocka group. */
static inline _Noreturn void test_skip(const char *reason)
{
	printf("skipped: %s\n", reason);
	exit(TEST_SKIP);
}

/* End the whole program as neither passed nor failed: the test could not be carried out. */
static inline _Noreturn void test_hard_error(const char *reason)
{
	printf("hard error: %s\n", reason);
	exit(TEST_HARD_ERROR);
}

#endif
