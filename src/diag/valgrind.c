/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests, which are a few instructions that do nothing but under Valgrind.
 */
#include "diag/valgrind.h"

#if FL_HAVE_VALGRIND

#include <valgrind/drd.h>
#include <valgrind/helgrind.h>
#include <valgrind/memcheck.h>

bool fl_valgrind_watches;

/* Each answers what only one tool does. */
static bool is_watched(void)
{
	char byte = 0, bits;

	return VALGRIND_GET_VBITS(&byte, &bits, 1) == 1 || DRD_GET_DRD_THREADID != 0 ||
	       VALGRIND_HG_GET_ABITS(&byte, NULL, 1) == 1;
}

void fl_valgrind_start(void)
{
	fl_valgrind_watches = RUNNING_ON_VALGRIND && is_watched();
}

void fl_valgrind_tell_alloc(const void *block, size_t size)
{
	VALGRIND_MALLOCLIKE_BLOCK(block, size, 0, 0);
	VALGRIND_HG_CLEAN_MEMORY(block, size);
}

void fl_valgrind_tell_free(const void *block)
{
	VALGRIND_FREELIKE_BLOCK(block, 0);
}

void fl_valgrind_tell_memory(const void *start, size_t length, bool accessible)
{
	if (accessible)
		VALGRIND_MAKE_MEM_UNDEFINED(start, length);
	else
		VALGRIND_MAKE_MEM_NOACCESS(start, length);
}

void fl_valgrind_tell_silence(bool silent)
{
	if (silent)
		VALGRIND_DISABLE_ERROR_REPORTING;
	else
		VALGRIND_ENABLE_ERROR_REPORTING;
}

#else

void fl_valgrind_start(void)
{
}

#endif
