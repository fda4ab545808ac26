/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic and annotations that every layer uses. No state, no calls out.
 */
#ifndef FL_BASE_BASE_H
#define FL_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define fl_likely(x) __builtin_expect(!!(x), 1)
#define fl_unlikely(x) __builtin_expect(!!(x), 0)
#define FL_COLD __attribute__((cold, noinline))
#define FL_HOT __attribute__((hot))
#define FL_PURE_TLS __attribute__((tls_model("initial-exec")))
#define FL_CACHE_LINE 64
#define FL_CACHE_ALIGNED __attribute__((aligned(FL_CACHE_LINE)))
#define FL_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What gcc says by these names clang says by others (up to 20). */
#if defined(__clang__)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

/* The smallest page any supported machine has; metadata is laid out in these, backings ask for the real size. */
#define FL_KIB ((size_t)1024)
#define FL_MIB (1024 * FL_KIB)
#define FL_GIB (1024 * FL_MIB)
#define FL_TIB (1024 * FL_GIB)

#ifdef FALLOW_DEBUG
#define fl_assert(condition)                                                                                           \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			__builtin_trap();                                                                              \
	} while (0)
#else
#define fl_assert(condition) ((void)0)
#endif

static inline size_t fl_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t fl_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline bool fl_is_power_of_two(size_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* alignment is a power of two; align_up wraps to 0 when the result does not fit. */
static inline size_t fl_align_down(size_t x, size_t alignment)
{
	return x & ~(alignment - 1);
}

static inline size_t fl_align_up(size_t x, size_t alignment)
{
	return (x + alignment - 1) & ~(alignment - 1);
}

static inline size_t fl_div_up(size_t x, size_t y)
{
	return x / y + (x % y != 0);
}

/* floor and ceiling of the binary logarithm; x > 0. */
static inline unsigned int fl_log2_floor(size_t x)
{
	return (unsigned int)(63 - __builtin_clzll(x));
}

static inline unsigned int fl_log2_ceil(size_t x)
{
	return x <= 1 ? 0 : fl_log2_floor(x - 1) + 1;
}

#endif
