/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for a command that cannot go on without it.
 */
#ifndef FL_CLI_MEMORY_H
#define FL_CLI_MEMORY_H

#include <stdlib.h>

/* n elements of zeros, never NULL, to be freed; ends the process where there is no memory. */
static inline void *fl_allocate(size_t n, size_t size)
{
	void *elements = calloc(n + 1, size);

	if (elements == NULL)
		abort();
	return elements;
}

#endif
