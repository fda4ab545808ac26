/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volatile memory: pages of a map that the kernel may take when memory is short, without asking and without writing them
 * anywhere, for what can be made again: caches, decoded images, results.
 *
 *     populated --begin--> volatile --the kernel, perhaps--> taken
 *         ^                    |                               |
 *         +-------- end -------+             discarded <--end--+
 *
 * What is volatile is not to be relied on: a page may read as zero from one moment to the next. Taking a range back says
 * of each page whether it still holds what it held when it was marked. That is told apart by one word that was not zero,
 * which fallow keeps outside of the page; nothing is ever written into it.
 *
 * Writing to a volatile page keeps the kernel from taking it, if it still has its content. What is written shares the
 * page's fate: it is there in a page that survived, unless that held nothing but zeros when it was marked, and gone with
 * one that did not. Who overwrites the very word that a page is known by makes it look lost. Who writes what a page held
 * into it again, while it is volatile, makes it look as if it had survived.
 *
 * A child of fork has the same pages volatile as its parent, and each takes back its own. In a map of locked memory
 * pages can be volatile, but the kernel takes none.
 */
#ifndef FALLOW_VOLATILE_H
#define FALLOW_VOLATILE_H

#include <fallow/map.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Let the kernel take the pages of a range that are there. They count as populated until they are taken back. Those that
 * are volatile already stay so, and are known by what they held when they were marked first.
 *
 * -EOPNOTSUPP: the map is not on private ordinary memory, which is the only kind that the kernel takes; or there is no
 * /proc. -EINVAL: not whole pages, or beyond the map's end. -ENOMEM: no metadata (some 8 bytes a page), or no
 * descriptor to look at /proc with. After a failure nothing has become volatile.
 */
FALLOW_API int fallow_volatile_begin(struct fallow_map *map, size_t offset, size_t length);

/*
 * Take a range back: none of its pages is volatile any more. Those that survived are as before. Those that are lost are
 * discarded (fallow_map_discard()): they are not populated, and read as zero, or trap when the map has a guard.
 *
 * lost: a bitmap, bit i % 64 of word i / 64 for the range's page i, of which all words that hold a page of the range
 * are written; may be NULL. *nlost: how many bits are set; may be NULL. A page that was not volatile is not lost.
 *
 * -EINVAL, as above. -ENOMEM: the kernel cannot make a page that the range shares with a child of fork its own. After a
 * failure the range is volatile as before, and lost and *nlost are not written.
 */
FALLOW_API int fallow_volatile_end(struct fallow_map *map, size_t offset, size_t length, uint64_t *lost, size_t *nlost);

/*
 * An arena of volatile objects, for caches: each is held by the program, or left to the kernel. Objects are whole pages of a
 * map on private ordinary memory. Errors are those of the calls above; object is what fallow_volatile_alloc() returned, else
 * -EINVAL. A child of fork has the objects as its parent had them, and its own copies of what they hold.
 */
struct fallow_volatile_arena;

/* limit: bytes of all objects together, rounded up to pages. -EINVAL: 0. -ENOMEM: no address space or metadata. */
FALLOW_API int fallow_volatile_arena_create(size_t limit, struct fallow_volatile_arena **arena);

/* All objects are gone. No thread may be using the arena. NULL is ignored. */
FALLOW_API void fallow_volatile_arena_destroy(struct fallow_volatile_arena *arena);

/*
 * A held object of nbytes, rounded up to pages: zero, aligned to a page, and there (promise P1). NULL with errno ENOMEM when
 * the limit or the kernel says no (fallow_last_failure()), EINVAL when nbytes is 0.
 */
FALLOW_API void *fallow_volatile_alloc(struct fallow_volatile_arena *arena, size_t nbytes);

/* Free an object, held or left. */
FALLOW_API int fallow_volatile_free(struct fallow_volatile_arena *arena, void *object);

/* Leave an object to the kernel. Its limit and its address stay taken. */
FALLOW_API int fallow_volatile_leave(struct fallow_volatile_arena *arena, void *object);

/*
 * Hold an object again. lost and *nlost say which of its pages are to be made again, as fallow_volatile_end() does; those
 * are there, and zero. -ENOMEM: they cannot be had; the object is left as it was, what survived can be held later, and lost
 * has no meaning. An object that is held has lost nothing.
 */
FALLOW_API int fallow_volatile_hold(struct fallow_volatile_arena *arena, void *object, uint64_t *lost, size_t *nlost);

#ifdef __cplusplus
}
#endif

#endif
