/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Valgrind: tells memcheck, DRD and helgrind which memory is a block, and whose.
 *
 * Under one of these tools all calls of the heap go past their fast paths (fl_cache_of()) to where they are told of. A
 * block gets a red zone behind it, and what is not in a live block is nobody's. What the library does with memory of its
 * own the tools are not to judge: it does so in silence.
 *
 * Without such a tool there is a flag to look at, in slow paths only; other tools, callgrind above all, see what runs
 * without them. Where Valgrind's headers were missing when this was compiled, and with -DNVALGRIND, there is nothing at all.
 */
#ifndef FL_DIAG_VALGRIND_H
#define FL_DIAG_VALGRIND_H

#include "base/base.h"

/* Bytes. A word of it keeps the size asked for. */
#define FL_REDZONE 16

#if !defined(NVALGRIND) && __has_include(<valgrind/memcheck.h>)
#define FL_HAVE_VALGRIND 1
/* Fixed at start. */
extern bool fl_valgrind_watches;
#else
#define FL_HAVE_VALGRIND 0
#define fl_valgrind_watches false
#endif

/* With the process heap, before its first block. */
void fl_valgrind_start(void);

/* The requests themselves: for those that follow. */
void fl_valgrind_tell_alloc(const void *block, size_t size) FL_COLD;
void fl_valgrind_tell_free(const void *block) FL_COLD;
void fl_valgrind_tell_memory(const void *start, size_t length, bool accessible) FL_COLD;
void fl_valgrind_tell_silence(bool silent) FL_COLD;

/* A block begins to live, or ends. To end one that does not live is an error of the program's. */
static inline void fl_valgrind_alloc(const void *block, size_t size)
{
	if (fl_unlikely(fl_valgrind_watches))
		fl_valgrind_tell_alloc(block, size);
}

static inline void fl_valgrind_free(const void *block)
{
	if (fl_unlikely(fl_valgrind_watches))
		fl_valgrind_tell_free(block);
}

/* Memory is nobody's, or somebody's who has not written to it yet. */
static inline void fl_valgrind_hide(const void *start, size_t length)
{
	if (fl_unlikely(fl_valgrind_watches))
		fl_valgrind_tell_memory(start, length, false);
}

static inline void fl_valgrind_show(const void *start, size_t length)
{
	if (fl_unlikely(fl_valgrind_watches))
		fl_valgrind_tell_memory(start, length, true);
}

/* What this thread does between the two is not judged. They nest. */
static inline void fl_valgrind_silence(void)
{
	if (fl_unlikely(fl_valgrind_watches))
		fl_valgrind_tell_silence(true);
}

static inline void fl_valgrind_speak(void)
{
	if (fl_unlikely(fl_valgrind_watches))
		fl_valgrind_tell_silence(false);
}

/* The size to ask for instead. */
static inline size_t fl_valgrind_pad(size_t size)
{
	return fl_unlikely(fl_valgrind_watches) && size <= PTRDIFF_MAX ? size + FL_REDZONE : size;
}

#endif
