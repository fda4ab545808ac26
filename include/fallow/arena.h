/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arenas: heaps of their own on a backing of the user's choice, with a limit that is answered with NULL.
 *
 * Any number of threads may share an arena. Blocks of one arena may be freed with fallow_arena_free() of that arena or
 * with fallow_free(). Everything handed out by an arena on a finite backing is populated beforehand, unless populate
 * says otherwise: it never raises SIGBUS later.
 */
#ifndef FALLOW_ARENA_H
#define FALLOW_ARENA_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fallow_arena;
struct fallow_pool;

struct fallow_arena_options {
	size_t size;                   /* of this struct: set by FALLOW_ARENA_OPTIONS_INIT */
	enum fallow_backing backing;   /* ignored when pool is set */
	enum fallow_share share;
	enum fallow_populate populate;
	enum fallow_spill spill;
	enum fallow_thp thp;           /* for ordinary anonymous memory */
	enum fallow_fork fork;         /* for private huge pages; with a pool, the pool's counts */
	int fd;                        /* FALLOW_BACKING_FILE: the file; see fallow_arena_create() */
	size_t page_size;              /* bytes, 0: the backing's default; else one that the backing offers */
	size_t limit;                  /* bytes the arena may hold, rounded down to pages; 0: none */
	size_t reserve;                /* bytes of address space, rounded up to 2 MiB or pages; 0: the limit, or 1 TiB */
	unsigned int decay_ms;         /* idle memory is given back after about so long; 0: at once; see _DECAY_DEFAULT */
	struct fallow_pool *pool;      /* draw from this pool, which must outlive the arena */
	const char *name;              /* shown in /proc/PID/maps for anonymous memory; copied, at most 31 bytes; may be NULL */
};

/*
 * Decay is coarse. Memory goes back by units of 2 MiB or pages, whichever is larger, once nothing of the unit has been freed
 * for decay_ms; that is looked at some eight times in this time, by a clock of a few milliseconds. Less than a quarter of a
 * transparent huge page is kept until a trim. Idle memory goes back sooner where a request would fail for want of it.
 */

/* As set by the option decay. */
#define FALLOW_DECAY_DEFAULT (~0u)
/* Never give back before fallow_arena_trim() or _destroy(). */
#define FALLOW_DECAY_NEVER (~0u - 1)

#ifdef __cplusplus
static inline fallow_arena_options fallow_arena_options_init(void)
{
	fallow_arena_options o = fallow_arena_options();
	o.size = sizeof(o);
	o.fd = -1;
	o.decay_ms = FALLOW_DECAY_DEFAULT;
	return o;
}
#define FALLOW_ARENA_OPTIONS_INIT fallow_arena_options_init()
#else
#define FALLOW_ARENA_OPTIONS_INIT                                                                                      \
	{ .size = sizeof(struct fallow_arena_options), .fd = -1, .decay_ms = FALLOW_DECAY_DEFAULT }
#endif

/*
 * Create an arena. options NULL: ordinary memory, no limit. Nothing is populated yet.
 *
 * A file is used from its beginning. The arena makes it longer as it grows, and never shorter; nobody else may cut it while
 * the arena lives, or touching its blocks raises SIGBUS. Shared, what the file held is lost: overwritten, or punched out
 * with idle memory. Private, its contents stay; it is made longer all the same. fd is duplicated and stays the caller's. A
 * program that closes descriptors it does not know keeps its blocks: the arena cannot grow any more then, and a private
 * one cannot give memory back.
 *
 * -EINVAL: a field out of range, a page size the backing does not have, size of a struct this library does not know.
 * -EBADF: fd is not open; -ENODEV: it is no regular file; -EACCES: it is one, but not open for reading and writing.
 * -EOPNOTSUPP: a combination the kernel does not offer. -ENOMEM: no address space, or metadata.
 */
FALLOW_API int fallow_arena_create(const struct fallow_arena_options *options, struct fallow_arena **arena);

/*
 * Free every block, give all memory back, release the address space. Memory of a shared file is punched out of it; the
 * file keeps its length. No thread may be using the arena or its blocks. NULL is ignored.
 */
FALLOW_API void fallow_arena_destroy(struct fallow_arena *arena);

/* Free every block at once; idle memory decays as usual. No other thread may be using the arena meanwhile. */
FALLOW_API void fallow_arena_reset(struct fallow_arena *arena);

/* Give back all idle memory now. released, if not NULL, receives the bytes. */
FALLOW_API int fallow_arena_trim(struct fallow_arena *arena, size_t *released);

/*
 * Change the limit (bytes, rounded down to pages, 0: none). -EINVAL: less than a page.
 *
 * A limit below what is in use takes nothing away: idle memory is given back now, and until enough more is freed only small
 * blocks in places that were freed before are to be had. Larger ones that are freed are given back and not used again.
 */
FALLOW_API int fallow_arena_set_limit(struct fallow_arena *arena, size_t limit);

/*
 * Called when a request cannot be met, before it fails: with the bytes needed (1 for none), without any lock held, in the thread
 * that asks. It may free blocks. Returns true to have the request tried again; after 16 tries the request fails, whatever
 * it says. A request made from inside the callback does not call it again, nor does one that no memory would help: larger
 * than PTRDIFF_MAX, or than the address space that the arena has left.
 */
typedef bool fallow_pressure_fn(struct fallow_arena *arena, size_t needed, void *context);

/* fn NULL: none. Must not race with requests on the arena. */
FALLOW_API int fallow_arena_on_pressure(struct fallow_arena *arena, fallow_pressure_fn *fn, void *context);

/* As malloc and its family, from this arena. NULL with errno ENOMEM when backing or limit say no. */
FALLOW_API void *fallow_arena_malloc(struct fallow_arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));
FALLOW_API void *fallow_arena_calloc(struct fallow_arena *arena, size_t count, size_t size)
    __attribute__((malloc, alloc_size(2, 3)));
FALLOW_API void *fallow_arena_aligned_alloc(struct fallow_arena *arena, size_t alignment, size_t size)
    __attribute__((malloc, alloc_align(2), alloc_size(3)));

/* block must be NULL or of this arena. On failure it is untouched. size 0 frees and returns NULL. */
FALLOW_API void *fallow_arena_realloc(struct fallow_arena *arena, void *block, size_t size)
    __attribute__((alloc_size(3)));

/* block must be NULL or of this arena; anything else ends the process with one line on stderr. */
FALLOW_API void fallow_arena_free(struct fallow_arena *arena, void *block);

/* Bytes that may be used at block. NULL: 0. */
FALLOW_API size_t fallow_arena_usable_size(struct fallow_arena *arena, const void *block);

struct fallow_arena_stat {
	size_t size;         /* of this struct: set by FALLOW_ARENA_STAT_INIT */
	size_t page_size;    /* bytes */
	size_t limit;        /* bytes, 0: none */
	size_t taken;        /* bytes in extents handed out to slabs and large blocks */
	size_t populated;    /* bytes of memory held, in use or idle; slabs are populated as they fill; estimated for ANON */
	size_t spilled;      /* bytes taken from ordinary memory since the backing was exhausted */
	uint64_t failures;   /* requests answered with NULL */
};

#ifdef __cplusplus
static inline fallow_arena_stat fallow_arena_stat_init(void)
{
	fallow_arena_stat s = fallow_arena_stat();
	s.size = sizeof(s);
	return s;
}
#define FALLOW_ARENA_STAT_INIT fallow_arena_stat_init()
#else
#define FALLOW_ARENA_STAT_INIT                                                                                         \
	{ .size = sizeof(struct fallow_arena_stat) }
#endif

/* Fill stat, whose size field says how much of it the caller knows. -EINVAL when that is no known size. */
FALLOW_API int fallow_arena_stats(struct fallow_arena *arena, struct fallow_arena_stat *stat);

#ifdef __cplusplus
}
#endif

#endif
