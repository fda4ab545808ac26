/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names that libc has for malloc and its family, for preloading or linking before libc. Semantics are glibc's.
 *
 * All of the family is here, glibc's internal aliases too: a program that mixed one of ours with one of libc's would
 * crash.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fallow/stats.h>

#include "cache/start.h"
#include "malloc/heap.h"

#define EXPORT __attribute__((visibility("default")))
#if __has_attribute(copy)
#define ALIAS(name) __attribute__((visibility("default"), alias(#name), copy(name)))
#else
#define ALIAS(name) __attribute__((visibility("default"), alias(#name)))
#endif

/* Declared nowhere in Debian 12's headers. */
void cfree(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_reallocarray(void *block, size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
void __libc_free(void *block);
void __libc_cfree(void *block);
int __posix_memalign(void **block, size_t alignment, size_t size);
struct mallinfo __libc_mallinfo(void);

int __libc_mallopt(int parameter, int value);

EXPORT void *malloc(size_t size)
{
	return fl_cache_alloc(fl_cache_self, size);
}

EXPORT void free(void *block)
{
	fl_cache_free(fl_cache_self, block);
}

EXPORT void *calloc(size_t count, size_t size)
{
	return fl_heap_calloc(count, size);
}

EXPORT void *realloc(void *block, size_t size)
{
	return fl_cache_realloc(fl_cache_self, block, size);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return fl_cache_realloc(fl_cache_self, block, total);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return fl_heap_aligned_alloc(alignment, size);
}

/* As glibc: an alignment that is no power of two is rounded up to one. */
EXPORT void *memalign(size_t alignment, size_t size)
{
	if (alignment > SIZE_MAX / 2 + 1) {
		errno = EINVAL;
		return NULL;
	}
	return fl_heap_aligned_alloc((size_t)1 << fl_log2_ceil(alignment), size);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
	int saved = errno;

	if (!fl_is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
		return EINVAL;
	void *made = fl_heap_aligned_alloc(alignment, size);
	if (made == NULL)
		return ENOMEM;
	errno = saved;
	*block = made;
	return 0;
}

EXPORT void *valloc(size_t size)
{
	return fl_heap_aligned_alloc((size_t)getpagesize(), size);
}

#ifdef __GLIBC__
EXPORT void *pvalloc(size_t size)
{
	size_t page = (size_t)getpagesize();

	if (size > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return fl_heap_aligned_alloc(page, fl_align_up(fl_max(size, 1), page));
}

#endif

EXPORT void free_sized(void *block, size_t size)
{
	fl_cache_free_sized(fl_cache_self, block, size);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size)
{
	(void)alignment;
	fl_cache_free_sized(fl_cache_self, block, size);
}

EXPORT size_t malloc_usable_size(void *block)
{
	return fl_cache_usable_size(block);
}

/* What follows is glibc's alone. */
#ifdef __GLIBC__
/* pad is what glibc would keep at the top of its heap: ours has no top. */
EXPORT int malloc_trim(size_t pad)
{
	struct fallow_arena *arena = fl_process_arena();

	(void)pad;
	if (arena == NULL)
		return 0;
	fl_cache_trim(arena);
	return fl_arena_purge(arena) != 0;
}

/* As glibc has it: large blocks apart, and of the rest the sum of what is used and what is free. */
EXPORT struct mallinfo2 mallinfo2(void)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;

	fallow_stats_read(&stats);
	size_t used = stats.taken > stats.large ? stats.taken - stats.large : 0;
	return (struct mallinfo2){
		.arena = used + stats.idle,
		.hblks = stats.nlarge,
		.hblkhd = stats.large,
		.uordblks = used,
		.fordblks = stats.idle,
		.keepcost = stats.idle,
	};
}

/* ints hold what they can; the rest is cut off, as glibc does. */
EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();

	return (struct mallinfo){
		.arena = (int)wide.arena,
		.hblks = (int)wide.hblks,
		.hblkhd = (int)wide.hblkhd,
		.uordblks = (int)wide.uordblks,
		.fordblks = (int)wide.fordblks,
		.keepcost = (int)wide.keepcost,
	};
}

/* Parameters of an allocator that is not here: accepted, without effect. */
EXPORT int mallopt(int parameter, int value)
{
	(void)parameter;
	(void)value;
	return 1;
}

static void write_failures(FILE *stream)
{
	struct fallow_failure_record failures[FALLOW_NFAILURES];
	size_t n = fallow_failures(failures, FALLOW_NFAILURES);

	for (size_t i = 0; i < n; i++) {
		fprintf(stream, "<failure number=\"%lu\" time_ms=\"%lu\" requested=\"%zu\"",
			(unsigned long)failures[i].number, (unsigned long)failures[i].time_ms, failures[i].requested);
		if (failures[i].headroom != FALLOW_HEADROOM_UNKNOWN)
			fprintf(stream, " headroom=\"%lu\"", (unsigned long)failures[i].headroom);
		fprintf(stream, " errno=\"%d\" reason=\"%s\"/>\n", failures[i].error, fallow_reason_text(failures[i].reason));
	}
}

EXPORT int malloc_info(int options, FILE *stream)
{
	struct fallow_stats stats = FALLOW_STATS_INIT;

	if (options != 0) {
		errno = EINVAL;
		return -1;
	}
	fallow_stats_read(&stats);
	fprintf(stream,
		"<malloc version=\"fallow-1\">\n"
		"<total type=\"large\" count=\"%lu\" size=\"%zu\"/>\n"
		"<total type=\"slab\" count=\"%lu\"/>\n"
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<taken size=\"%zu\"/>\n"
		"<idle size=\"%zu\"/>\n"
		"<spilled size=\"%zu\"/>\n"
		"<metadata size=\"%zu\"/>\n"
		"<arenas count=\"%lu\"/>\n"
		"<failures count=\"%lu\"/>\n",
		(unsigned long)stats.nlarge, stats.large, (unsigned long)stats.nslabs, stats.populated, stats.taken, stats.idle,
		stats.spilled, stats.metadata, (unsigned long)stats.narenas, (unsigned long)stats.nfailures);
	write_failures(stream);
	fputs("</malloc>\n", stream);
	return ferror(stream) ? -1 : 0;
}

EXPORT void malloc_stats(void)
{
	fallow_stats_write(2, FALLOW_STATS_TEXT);
}
#else
/* Nothing else brings statistics at exit into a static program. */
static int (*const stats_read)(struct fallow_stats *stats) __attribute__((used)) = fallow_stats_read;
#endif

void cfree(void *block) ALIAS(free);
void *__libc_malloc(size_t size) ALIAS(malloc);
void *__libc_calloc(size_t count, size_t size) ALIAS(calloc);
void *__libc_realloc(void *block, size_t size) ALIAS(realloc);
void *__libc_reallocarray(void *block, size_t count, size_t size) ALIAS(reallocarray);
void *__libc_memalign(size_t alignment, size_t size) ALIAS(memalign);
void *__libc_valloc(size_t size) ALIAS(valloc);
void __libc_free(void *block) ALIAS(free);
void __libc_cfree(void *block) ALIAS(free);
int __posix_memalign(void **block, size_t alignment, size_t size) ALIAS(posix_memalign);
#ifdef __GLIBC__
void *__libc_pvalloc(size_t size) ALIAS(pvalloc);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
struct mallinfo __libc_mallinfo(void) ALIAS(mallinfo);
#pragma GCC diagnostic pop
int __libc_mallopt(int parameter, int value) ALIAS(mallopt);
#endif
