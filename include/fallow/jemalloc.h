/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extent hooks for jemalloc 5: its arenas live on a map or a pool, with memory that is there (promise P1) or NULL.
 *
 *     struct fallow_jemalloc_options options = FALLOW_JEMALLOC_OPTIONS_INIT;
 *     options.map = map;
 *     fallow_jemalloc_create(&options, &jemalloc);
 *     extent_hooks_t *hooks = fallow_jemalloc_hooks(jemalloc);
 *     unsigned int arena;
 *     size_t size = sizeof(arena);
 *     mallctl("arenas.create", &arena, &size, &hooks, sizeof(hooks));
 *     void *block = mallocx(100, MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
 *
 * What jemalloc commits is populated for writing, whole pages at a time; what it decommits or gives back is discarded once
 * whole pages are free of it. When the map or pool says no, so does jemalloc, by NULL, and fallow_last_failure() has the
 * reason. Several jemalloc arenas may share hooks, which their threads may call at once. jemalloc keeps its own data about
 * an arena in it as well: 2 MiB.
 *
 * jemalloc decides when what is free goes back ("arena.<i>.dirty_decay_ms"): lazy purging is not offered, so that what it
 * gives up is given back at once. What it has not given up yet does not serve every size: before taking NULL for an
 * answer, tell it "arena.<i>.purge". A pool of FALLOW_POOL_HELD gets its pages, and keeps them.
 *
 * A child of fork has what its parent had. Should a thread have been in a hook at that moment, the child's hooks refuse
 * everything from then on; what jemalloc holds already stays usable.
 */
#ifndef FALLOW_JEMALLOC_H
#define FALLOW_JEMALLOC_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct extent_hooks_s; /* jemalloc's extent_hooks_t */
struct fallow_jemalloc;
struct fallow_map;
struct fallow_pool;

struct fallow_jemalloc_options {
	size_t size;              /* of this struct: set by FALLOW_JEMALLOC_OPTIONS_INIT */
	struct fallow_map *map;   /* all of it is jemalloc's, and is not to be resized or used otherwise; or NULL */
	struct fallow_pool *pool; /* shared with arenas that draw from it; or NULL. One of the two, which must outlive this */
};

#ifdef __cplusplus
static inline fallow_jemalloc_options fallow_jemalloc_options_init(void)
{
	fallow_jemalloc_options o = fallow_jemalloc_options();
	o.size = sizeof(o);
	return o;
}
#define FALLOW_JEMALLOC_OPTIONS_INIT fallow_jemalloc_options_init()
#else
#define FALLOW_JEMALLOC_OPTIONS_INIT                                                                                   \
	{ .size = sizeof(struct fallow_jemalloc_options) }
#endif

/* -EINVAL: no map and no pool, or both; a struct of a size this library does not know. -ENOMEM: no metadata. */
FALLOW_API int fallow_jemalloc_create(const struct fallow_jemalloc_options *options, struct fallow_jemalloc **jemalloc);

/*
 * When no jemalloc arena has the hooks any more ("arena.<i>.destroy"): the hooks are gone. -EBUSY: jemalloc still has
 * memory through them; they live on. NULL is ignored.
 */
FALLOW_API int fallow_jemalloc_destroy(struct fallow_jemalloc *jemalloc);

/* For "arenas.create" or "arena.<i>.extent_hooks". They last until fallow_jemalloc_destroy(). */
FALLOW_API struct extent_hooks_s *fallow_jemalloc_hooks(struct fallow_jemalloc *jemalloc);

#ifdef __cplusplus
}
#endif

#endif
