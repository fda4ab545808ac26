/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What both families of names for the process heap are made of.
 */
#ifndef FL_MALLOC_HEAP_H
#define FL_MALLOC_HEAP_H

#include <errno.h>
#include <string.h>

#include "cache/cache.h"

/* Zero a block unless it is known to be. Small blocks are; glibc's memset is not worth a call for the smallest. */
static inline void *fl_heap_calloc(size_t count, size_t size)
{
	size_t total;
	bool zero = false;
	void *block = NULL;

	if (__builtin_mul_overflow(count, size, &total))
		total = SIZE_MAX;
	if (fl_likely(total <= FL_SMALL_MOST))
		block = fl_cache_pop(fl_cache_self, fl_class_of(total));
	if (fl_unlikely(block == NULL))
		block = fl_cache_alloc_slow(fl_cache_self, total, 1, &zero);
	if (block != NULL && !zero) {
		if (total <= FL_SMALL_MOST)
			memset(block, 0, total);
		else
			fl_cache_zero(block, total);
	}
	return block;
}

/* errno EINVAL when alignment is no power of two. */
static inline void *fl_heap_aligned_alloc(size_t alignment, size_t size)
{
	if (fl_unlikely(!fl_is_power_of_two(alignment))) {
		errno = EINVAL;
		return NULL;
	}
	if (alignment <= 16)
		return fl_cache_alloc(fl_cache_self, size);
	if (fl_likely(fl_class_fits(size, alignment))) {
		void *block = fl_cache_pop(fl_cache_self, fl_class_of_aligned(size, alignment));
		if (fl_likely(block != NULL))
			return block;
	}
	return fl_cache_alloc_slow(fl_cache_self, size, alignment, NULL);
}

#endif
