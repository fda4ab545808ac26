/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process heap under names of its own: what malloc and its family are when libfallow-malloc is preloaded or linked,
 * and the same heap as theirs. Semantics are those of glibc's calls of the same name; every failure sets ENOMEM (or
 * EINVAL for a bad alignment) and leaves its reason with fallow_last_failure().
 */
#ifndef FALLOW_MALLOC_H
#define FALLOW_MALLOC_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At least size bytes, aligned to 16. size 0 gives a distinct pointer. The caller owns the block until fallow_free(). */
FALLOW_API void *fallow_malloc(size_t size) __attribute__((malloc, alloc_size(1)));

/* count * size bytes that read as zero; ENOMEM when the product overflows. */
FALLOW_API void *fallow_calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));

/* Resize, moving if need be. On failure the old block is untouched. (NULL, n) allocates; (p, 0) frees, returns NULL. */
FALLOW_API void *fallow_realloc(void *block, size_t size) __attribute__((alloc_size(2)));

/* alignment: any power of two, else EINVAL. size need not be a multiple of it. */
FALLOW_API void *fallow_aligned_alloc(size_t alignment, size_t size)
    __attribute__((malloc, alloc_align(1), alloc_size(2)));

/*
 * Give a block back. NULL is ignored, errno is kept. Takes blocks of every arena too. A pointer that is no block, or a
 * block already free, ends the process with one line on stderr.
 */
FALLOW_API void fallow_free(void *block);

/* Bytes that may be used at block, at least what was asked for. NULL: 0. */
FALLOW_API size_t fallow_usable_size(const void *block);

#ifdef __cplusplus
}
#endif

#endif
