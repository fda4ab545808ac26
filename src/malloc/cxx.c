/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C++'s operators new and delete, by their mangled names.
 *
 * Nothing of libstdc++ is linked: what is needed of it when memory runs out is found in programs that have it. Failing
 * runs the new_handler as long as there is one, then throws std::bad_alloc. The nothrow forms leave failing to
 * libstdc++'s own, which call ours inside a try block: C cannot catch.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "diag/message.h"
#include "malloc/heap.h"

#define EXPORT __attribute__((visibility("default")))

typedef void new_handler(void);

new_handler *_ZSt15get_new_handlerv(void) __attribute__((weak));
void _ZSt17__throw_bad_allocv(void) __attribute__((weak, noreturn));

static void *alloc(size_t alignment, size_t size)
{
	return alignment == 0 ? fl_cache_alloc(fl_cache_self, size) : fl_heap_aligned_alloc(alignment, size);
}

FL_COLD static void *alloc_or_throw(size_t alignment, size_t size)
{
	for (;;) {
		new_handler *handler = _ZSt15get_new_handlerv ? _ZSt15get_new_handlerv() : NULL;
		if (handler == NULL)
			break;
		handler();
		void *block = alloc(alignment, size);
		if (block)
			return block;
	}
	if (_ZSt17__throw_bad_allocv)
		_ZSt17__throw_bad_allocv();
	fl_fatal("operator new(%zu): out of memory in a program without libstdc++", size);
}

typedef void *new_nothrow(size_t size, const void *tag);
typedef void *new_aligned_nothrow(size_t size, size_t alignment, const void *tag);

FL_COLD static void *fail_nothrow(const char *name, size_t size, const void *tag)
{
	new_nothrow *next = (new_nothrow *)dlsym(RTLD_NEXT, name);

	return next ? next(size, tag) : NULL;
}

FL_COLD static void *fail_aligned_nothrow(const char *name, size_t size, size_t alignment, const void *tag)
{
	new_aligned_nothrow *next = (new_aligned_nothrow *)dlsym(RTLD_NEXT, name);

	return next ? next(size, alignment, tag) : NULL;
}

#define NEW(name)                                                                                                      \
	EXPORT void *name(size_t size);                                                                                \
	void *name(size_t size)                                                                                        \
	{                                                                                                              \
		void *block = alloc(0, size);                                                                          \
		return fl_likely(block != NULL) ? block : alloc_or_throw(0, size);                                     \
	}

#define NEW_NOTHROW(name)                                                                                              \
	EXPORT void *name(size_t size, const void *tag);                                                               \
	void *name(size_t size, const void *tag)                                                                       \
	{                                                                                                              \
		void *block = alloc(0, size);                                                                          \
		return fl_likely(block != NULL) ? block : fail_nothrow(#name, size, tag);                              \
	}

#define NEW_ALIGNED(name)                                                                                              \
	EXPORT void *name(size_t size, size_t alignment);                                                              \
	void *name(size_t size, size_t alignment)                                                                      \
	{                                                                                                              \
		void *block = alloc(alignment, size);                                                                  \
		return fl_likely(block != NULL) ? block : alloc_or_throw(alignment, size);                             \
	}

#define NEW_ALIGNED_NOTHROW(name)                                                                                      \
	EXPORT void *name(size_t size, size_t alignment, const void *tag);                                             \
	void *name(size_t size, size_t alignment, const void *tag)                                                     \
	{                                                                                                              \
		void *block = alloc(alignment, size);                                                                  \
		return fl_likely(block != NULL) ? block : fail_aligned_nothrow(#name, size, alignment, tag);           \
	}

#define DELETE(name, ...)                                                                                              \
	EXPORT void name(void *block, ##__VA_ARGS__);                                                                  \
	void name(void *block, ##__VA_ARGS__)                                                                          \
	{                                                                                                              \
		fl_cache_free(fl_cache_self, block);                                                                   \
	}

#define DELETE_SIZED(name)                                                                                              \
	EXPORT void name(void *block, size_t size);                                                                    \
	void name(void *block, size_t size)                                                                            \
	{                                                                                                              \
		fl_cache_delete(fl_cache_self, block, size, 1);                                                           \
	}

#define DELETE_SIZED_ALIGNED(name)                                                                                      \
	EXPORT void name(void *block, size_t size, size_t alignment);                                                  \
	void name(void *block, size_t size, size_t alignment)                                                          \
	{                                                                                                              \
		fl_cache_delete(fl_cache_self, block, size, fl_max(alignment, 1));                                \
	}

#define UNUSED __attribute__((unused))

NEW(_Znwm)
NEW(_Znam)
NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
NEW_NOTHROW(_ZnamRKSt9nothrow_t)
NEW_ALIGNED(_ZnwmSt11align_val_t)
NEW_ALIGNED(_ZnamSt11align_val_t)
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE_SIZED(_ZdlPvm)
DELETE_SIZED(_ZdaPvm)
DELETE(_ZdlPvRKSt9nothrow_t, UNUSED const void *tag)
DELETE(_ZdaPvRKSt9nothrow_t, UNUSED const void *tag)
DELETE(_ZdlPvSt11align_val_t, UNUSED size_t alignment)
DELETE(_ZdaPvSt11align_val_t, UNUSED size_t alignment)
DELETE_SIZED_ALIGNED(_ZdlPvmSt11align_val_t)
DELETE_SIZED_ALIGNED(_ZdaPvmSt11align_val_t)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, UNUSED size_t alignment, UNUSED const void *tag)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, UNUSED size_t alignment, UNUSED const void *tag)
