/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process heap under fallow's own names. See fallow/malloc.h for the contract.
 */
#include "malloc/heap.h"

#include <fallow/malloc.h>

void *fallow_malloc(size_t size)
{
	return fl_cache_alloc(fl_cache_self, size);
}

void *fallow_calloc(size_t count, size_t size)
{
	return fl_heap_calloc(count, size);
}

void *fallow_realloc(void *block, size_t size)
{
	return fl_cache_realloc(fl_cache_self, block, size);
}

void *fallow_aligned_alloc(size_t alignment, size_t size)
{
	return fl_heap_aligned_alloc(alignment, size);
}

void fallow_free(void *block)
{
	fl_cache_free(fl_cache_self, block);
}

size_t fallow_usable_size(const void *block)
{
	return fl_cache_usable_size(block);
}
