/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Poison: tells the address sanitizer, in builds that have it, what nobody may touch: free extents and free slots.
 * Elsewhere it is nothing.
 *
 * The heap's own words in a free slot are read and written by functions declared FL_TOUCHES_POISON, in the place of static
 * inline, and by no others.
 */
#ifndef FL_BASE_POISON_H
#define FL_BASE_POISON_H

#include "base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

/* A part of it that is moved to its caller would be judged there: gcc does so (noipa) even with what it does not inline. */
#if __has_attribute(noipa)
#define FL_TOUCHES_POISON static __attribute__((no_sanitize_address, noipa, unused))
#else
#define FL_TOUCHES_POISON static __attribute__((no_sanitize_address, noinline, unused))
#endif

/* Poison takes an eighth of what it covers, where no poison takes nothing: of large extents it covers the beginning. */
#define FL_POISON_MOST (64 * FL_MIB)

static inline void fl_poison(const void *start, size_t length)
{
	__asan_poison_memory_region(start, fl_min(length, FL_POISON_MOST));
}

static inline void fl_unpoison(const void *start, size_t length)
{
	char *at = (char *)(uintptr_t)start, *end = at + length;

	while (at < end && (at = __asan_region_is_poisoned(at, (size_t)(end - at))) != NULL) {
		size_t n = fl_min((size_t)(end - at), FL_MIB);
		__asan_unpoison_memory_region(at, n);
		at += n;
	}
}

/* Of memory with poison in it. By hand: memcpy is the sanitizer's. */
FL_TOUCHES_POISON void fl_copy_poisoned(void *to, const void *from, size_t length)
{
	for (size_t i = 0; i < length / sizeof(uint64_t); i++)
		((volatile uint64_t *)to)[i] = ((const volatile uint64_t *)from)[i];
}

#else
#define FL_TOUCHES_POISON static inline

static inline void fl_poison(const void *start, size_t length)
{
	(void)start;
	(void)length;
}

static inline void fl_unpoison(const void *start, size_t length)
{
	(void)start;
	(void)length;
}

static inline void fl_copy_poisoned(void *to, const void *from, size_t length)
{
	__builtin_memcpy(to, from, length);
}

#endif
#endif
