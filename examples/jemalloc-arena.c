/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc-arena: a jemalloc arena on huge pages, to their end and back.
 *
 * What users of jemalloc write by hand when they want hugetlbfs under it: extent hooks that mmap files and carve them, without
 * an answer for the day when there is no page: then the first touch of a block is SIGBUS. With fallow's hooks the pages of
 * a block are there before the block is, or jemalloc says NULL. The pool is shared with an arena of fallow's own.
 *
 * It needs huge pages: echo 8 >/proc/sys/vm/nr_hugepages
 */
#include "example.h"

#include <jemalloc/jemalloc.h>

#define NPAGES 8
#define SIZE 50000
#define NBLOCKS 1000

static struct fallow_pool *pool;

static void show(const char *what)
{
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;

	promise(fallow_pool_stats(pool, &stat) == 0, "a pool can be asked");
	printf("%-50s %zu of %zu huge pages\n", what, stat.npages_populated, stat.npages);
}

static unsigned int jemalloc_arena(struct fallow_jemalloc *jemalloc)
{
	extent_hooks_t *hooks = fallow_jemalloc_hooks(jemalloc);
	unsigned int arena;
	size_t size = sizeof(arena);

	promise(mallctl("arenas.create", &arena, &size, &hooks, sizeof(hooks)) == 0, "jemalloc takes hooks");
	return arena;
}

static void tell(unsigned int arena, const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "arena.%u.%s", arena, what);
	promise(mallctl(name, NULL, NULL, NULL, 0) == 0, "jemalloc does as it is told");
}

/* Blocks until jemalloc says no. Writing to them ends in no signal. */
static size_t fill(unsigned int arena, char **blocks)
{
	int flags = MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE;
	size_t n = 0;

	while (n < NBLOCKS && (blocks[n] = mallocx(SIZE, flags)) != NULL)
		memset(blocks[n++], 'j', SIZE);
	promise(n > 0 && n < NBLOCKS, "no is an answer");
	return n;
}

int main(void)
{
	struct fallow_pool_options supply = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_arena_options own = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_jemalloc_options options = FALLOW_JEMALLOC_OPTIONS_INIT;
	struct fallow_jemalloc *jemalloc;
	struct fallow_arena *fallows;
	static char *blocks[NBLOCKS];

	supply.supply = FALLOW_POOL_ON_DEMAND;
	supply.npages = NPAGES;
	supply.decay_ms = 0;
	promise(fallow_pool_create(&supply, &pool) == 0, "a pool on demand costs nothing");
	own.pool = options.pool = pool;
	promise(fallow_arena_create(&own, &fallows) == 0, "so does an arena");
	promise(fallow_jemalloc_create(&options, &jemalloc) == 0, "and so do hooks");
	char *neighbour = fallow_arena_malloc(fallows, 100);
	if (neighbour == NULL) {
		printf("skipped: %s: echo %d >/proc/sys/vm/nr_hugepages\n", example_why(), NPAGES);
		return EXAMPLE_LACKS;
	}
	strcpy(neighbour, "fallow's");
	show("a block of fallow's own");

	unsigned int arena = jemalloc_arena(jemalloc);
	show("jemalloc's arena, with its data");
	for (int round = 0; round < 3; round++) {
		size_t n = fill(arena, blocks);
		show("blocks of jemalloc until it says NULL");
		printf("  %zu blocks of %d bytes, all written; then: %s\n", n, SIZE, example_why());
		while (n-- > 0) {
			promise(blocks[n][0] == 'j' && blocks[n][SIZE - 1] == 'j', "blocks keep what is written");
			dallocx(blocks[n], MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE);
		}
		tell(arena, "purge");
		show("freed and purged");
	}
	tell(arena, "destroy");
	promise(fallow_jemalloc_destroy(jemalloc) == 0, "an arena that is gone has nothing left");
	promise(strcmp(neighbour, "fallow's") == 0, "neighbours are left alone");
	fallow_arena_destroy(fallows);
	show("both arenas destroyed");
	return fallow_pool_destroy(pool);
}
