/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included ahead of every source of a coverage build: processes that end by _exit() or abort() write down what they ran.
 */
#ifndef TEST_COVERAGE_DUMP_H
#define TEST_COVERAGE_DUMP_H

#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void); /* libgcov */

static inline _Noreturn void coverage_exit(int status)
{
	__gcov_dump();
	_exit(status);
}

static inline _Noreturn void coverage_abort(void)
{
	__gcov_dump();
	abort();
}

#define _exit(status) coverage_exit(status)
#define abort() coverage_abort()

#endif
