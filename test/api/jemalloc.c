/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For jemalloc.sh: jemalloc's arenas on maps and pools. Proves that blocks do not overlap and keep what is written, under two
 * threads; that jemalloc says NULL where the map or pool ends, all before being there to be written; that what is freed is
 * given back, by whole pages; that memory asked for as zero is; that a child of fork goes on; and that all ends at nothing.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#define MIB ((size_t)1 << 20)
#define HUGE (2 * MIB)
#define LIMIT (32 * MIB)
#define NPAGES (LIMIT / HUGE)
#define NSLOTS 200
#define NSTEPS 20000
#define NBLOCKS 4096

static void require(int holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d: %s\n", line, what);
	_exit(1);
}
#define REQUIRE(condition) require(condition, #condition, __LINE__)

static struct fallow_jemalloc *on(struct fallow_map *map, struct fallow_pool *pool)
{
	struct fallow_jemalloc_options options = FALLOW_JEMALLOC_OPTIONS_INIT;
	struct fallow_jemalloc *jemalloc;

	options.map = map;
	options.pool = pool;
	REQUIRE(fallow_jemalloc_create(&options, &jemalloc) == 0);
	return jemalloc;
}

static unsigned int new_arena(struct fallow_jemalloc *jemalloc)
{
	extent_hooks_t *hooks = fallow_jemalloc_hooks(jemalloc);
	unsigned int arena;
	size_t size = sizeof(arena);

	REQUIRE(mallctl("arenas.create", &arena, &size, &hooks, sizeof(hooks)) == 0);
	return arena;
}

static void tell(unsigned int arena, const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "arena.%u.%s", arena, what);
	REQUIRE(mallctl(name, NULL, NULL, NULL, 0) == 0);
}

static int flags_of(unsigned int arena)
{
	return MALLOCX_ARENA(arena) | MALLOCX_TCACHE_NONE;
}

static enum fallow_reason why(void)
{
	struct fallow_failure failure;

	fallow_last_failure(&failure);
	return failure.reason;
}

struct work {
	unsigned int arena;
	unsigned int seed;
};

/* Random blocks, each filled with a byte of its own and looked at when it is freed. */
static void *load(void *argument)
{
	struct work *work = argument;
	struct { unsigned char *at; size_t size; unsigned char byte; } slots[NSLOTS] = { 0 };

	for (unsigned int i = 0; i < NSTEPS; i++) {
		unsigned int slot = (unsigned int)rand_r(&work->seed) % NSLOTS;
		unsigned char *block = slots[slot].at;
		if (block) {
			REQUIRE(block[0] == slots[slot].byte && memcmp(block, block + 1, slots[slot].size - 1) == 0);
			dallocx(block, flags_of(work->arena));
		}
		int kind = rand_r(&work->seed) % 100;
		size_t size = 2 + (size_t)rand_r(&work->seed) % (kind < 80 ? 500 : kind < 99 ? 20000 : 1000000);
		slots[slot].at = block = mallocx(size, flags_of(work->arena) | (i % 16 == 0 ? MALLOCX_ZERO : 0));
		slots[slot].size = size;
		slots[slot].byte = (unsigned char)i;
		if (block == NULL)
			continue;
		REQUIRE(i % 16 != 0 || (block[0] == 0 && memcmp(block, block + 1, size - 1) == 0));
		memset(block, (unsigned char)i, size);
	}
	for (unsigned int slot = 0; slot < NSLOTS; slot++)
		dallocx(slots[slot].at ? slots[slot].at : mallocx(1, 0), slots[slot].at ? flags_of(work->arena) : 0);
	return NULL;
}

static void load_by_two(unsigned int arena)
{
	struct work ours = { arena, 1 }, theirs = { arena, 2 };
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, load, &theirs) == 0);
	load(&ours);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

/* Take all there is in blocks of a size; every byte of them can be written. How many. */
static size_t exhaust(unsigned int arena, size_t size, char **blocks, enum fallow_reason reason)
{
	size_t n = 0;

	/* jemalloc takes small blocks from what is dirty only when that is in short runs. */
	tell(arena, "purge");
	while (n < NBLOCKS && (blocks[n] = mallocx(size, flags_of(arena))) != NULL)
		memset(blocks[n++], 0x5a, size);
	REQUIRE(n < NBLOCKS && why() == reason);
	return n;
}

static void free_all(unsigned int arena, char **blocks, size_t n)
{
	while (n-- > 0) {
		REQUIRE(blocks[n][0] == 0x5a);
		dallocx(blocks[n], flags_of(arena));
	}
}

/* The child has what the parent had, and allocates by itself. */
static void fork_and_go_on(unsigned int arena)
{
	char *block = mallocx(100000, flags_of(arena));
	int status;

	REQUIRE(block != NULL);
	memset(block, 'p', 100000);
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		char *own = mallocx(100000, flags_of(arena));
		REQUIRE(block[99999] == 'p' && own != NULL);
		memset(own, 'c', 100000);
		dallocx(block, flags_of(arena));
		_exit(0);
	}
	REQUIRE(waitpid(child, &status, 0) == child && status == 0);
	REQUIRE(block[0] == 'p' && block[99999] == 'p');
	dallocx(block, flags_of(arena));
}

static size_t populated(struct fallow_map *map)
{
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;

	REQUIRE(fallow_map_stats(map, &stat) == 0);
	return stat.populated;
}

static void arenas_live_on_a_map(enum fallow_backing backing, size_t page_size, size_t limit)
{
	static char *blocks[NBLOCKS];
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map;

	options.backing = backing;
	options.page_size = page_size;
	options.length = (size_t)1 << 36;
	options.limit = limit;
	options.guard = FALLOW_GUARD_TRAP;
	REQUIRE(fallow_map_create(&options, &map) == 0);
	struct fallow_jemalloc *jemalloc = on(map, NULL);
	unsigned int arena = new_arena(jemalloc);
	enum fallow_reason reason = limit ? FALLOW_REASON_MAP_LIMIT : FALLOW_REASON_POOL_EMPTY;
	size_t most = limit ? limit : LIMIT;

	load_by_two(arena);
	if (backing == FALLOW_BACKING_ANON)
		fork_and_go_on(arena);
	for (int round = 0; round < 3; round++) {
		size_t size = round == 1 ? 3 * MIB / 2 : 30000, n = exhaust(arena, size, blocks, reason);
		REQUIRE(n * size >= most / 2 && populated(map) <= most);
		free_all(arena, blocks, n);
	}
	tell(arena, "purge");
	REQUIRE(populated(map) <= most / 4);
	REQUIRE(fallow_jemalloc_destroy(jemalloc) == -EBUSY);
	tell(arena, "destroy");
	REQUIRE(populated(map) == 0);
	REQUIRE(fallow_jemalloc_destroy(jemalloc) == 0);
	REQUIRE(fallow_map_destroy(map) == 0);
}

static size_t pages_held(struct fallow_pool *pool)
{
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;

	REQUIRE(fallow_pool_stats(pool, &stat) == 0);
	return stat.npages_populated;
}

static size_t pages_used(struct fallow_pool *pool)
{
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;

	REQUIRE(fallow_pool_stats(pool, &stat) == 0);
	return stat.npages_used;
}

static void arenas_live_on_a_pool(enum fallow_pool_supply supply)
{
	static char *blocks[NBLOCKS];
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_arena_options beside = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *neighbour;

	options.supply = supply;
	options.page_size = HUGE;
	options.npages = NPAGES;
	options.decay_ms = 0;
	REQUIRE(fallow_pool_create(&options, &beside.pool) == 0);
	REQUIRE(fallow_arena_create(&beside, &neighbour) == 0);
	char *theirs = fallow_arena_malloc(neighbour, 100);
	REQUIRE(theirs != NULL);
	memset(theirs, 'n', 100);
	struct fallow_jemalloc *jemalloc = on(NULL, beside.pool);
	unsigned int arena = new_arena(jemalloc);

	load_by_two(arena);
	for (int round = 0; round < 2; round++) {
		size_t size = round == 1 ? 3 * MIB / 2 : 30000, n = exhaust(arena, size, blocks, FALLOW_REASON_ARENA_LIMIT);
		REQUIRE(n * size >= LIMIT / 2 && pages_held(beside.pool) <= NPAGES);
		REQUIRE(fallow_arena_malloc(neighbour, 4 * MIB) == NULL);
		free_all(arena, blocks, n);
	}
	tell(arena, "destroy");
	REQUIRE(pages_used(beside.pool) == 1 && theirs[0] == 'n' && theirs[99] == 'n');
	REQUIRE(fallow_jemalloc_destroy(jemalloc) == 0);
	REQUIRE(fallow_arena_malloc(neighbour, (NPAGES - 2) * HUGE) != NULL);
	fallow_arena_destroy(neighbour);
	REQUIRE(pages_held(beside.pool) == (supply == FALLOW_POOL_HELD ? NPAGES : 0));
	REQUIRE(fallow_pool_destroy(beside.pool) == 0);
}

/* The hooks by themselves: pieces of 4 KiB in pages of 2 MiB. */
static void pages_go_with_their_last_piece(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map;
	bool zero = false, commit = true;
	size_t piece = (size_t)sysconf(_SC_PAGESIZE);

	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = HUGE;
	options.length = 8 * HUGE;
	REQUIRE(fallow_map_create(&options, &map) == 0);
	struct fallow_jemalloc *jemalloc = on(map, NULL);
	extent_hooks_t *hooks = fallow_jemalloc_hooks(jemalloc);

	char *first = hooks->alloc(hooks, NULL, piece, piece, &zero, &commit, 0);
	char *second = hooks->alloc(hooks, NULL, HUGE, piece, &zero, &commit, 0);
	REQUIRE(first == fallow_map_base(map) && second == first + piece && commit && !zero);
	REQUIRE(populated(map) == 2 * HUGE);
	memset(first, 1, piece);
	memset(second, 2, HUGE);
	/* Its second page is another's: the part in it is written zero, the rest given back. */
	REQUIRE(!hooks->decommit(hooks, second, HUGE, 0, HUGE, 0) && populated(map) == HUGE);
	REQUIRE(first[piece - 1] == 1 && second[0] == 0 && second[HUGE - 2 * piece] == 0);
	REQUIRE(!hooks->commit(hooks, second, HUGE, 0, HUGE, 0) && second[HUGE - 1] == 0);
	second[0] = 2;
	REQUIRE(!hooks->dalloc(hooks, second, HUGE, true, 0));
	REQUIRE(populated(map) == HUGE && first[piece - 1] == 1);

	/* In a page that others use there is what was there before: zero is written. */
	zero = true;
	second = hooks->alloc(hooks, NULL, piece, piece, &zero, &commit, 0);
	REQUIRE(second == first + piece && zero && second[0] == 0 && memcmp(second, second + 1, piece - 1) == 0);

	/* Nothing comes in for addresses; whole pages can be committed and decommitted, and come back as zero. */
	zero = commit = false;
	char *aligned = hooks->alloc(hooks, NULL, 2 * HUGE, HUGE, &zero, &commit, 0);
	REQUIRE((uintptr_t)aligned % HUGE == 0 && !commit && populated(map) == HUGE);
	REQUIRE(!hooks->commit(hooks, aligned, 2 * HUGE, HUGE, HUGE, 0) && populated(map) == 2 * HUGE);
	aligned[HUGE] = 3;
	REQUIRE(!hooks->decommit(hooks, aligned, 2 * HUGE, HUGE, HUGE, 0) && populated(map) == HUGE);
	REQUIRE(!hooks->commit(hooks, aligned, 2 * HUGE, HUGE, HUGE, 0) && aligned[HUGE] == 0);
	REQUIRE(hooks->alloc(hooks, NULL, 8 * HUGE, piece, &zero, &commit, 0) == NULL && why() == FALLOW_REASON_ADDRESS_SPACE);

	REQUIRE(fallow_jemalloc_destroy(jemalloc) == -EBUSY);
	REQUIRE(!hooks->dalloc(hooks, aligned, 2 * HUGE, true, 0) && populated(map) == HUGE);
	REQUIRE(!hooks->dalloc(hooks, first, 2 * piece, true, 0) && populated(map) == 0);
	REQUIRE(fallow_jemalloc_destroy(jemalloc) == 0);
	REQUIRE(fallow_map_destroy(map) == 0);
}

static void mistakes_are_refused(void)
{
	struct fallow_jemalloc_options options = FALLOW_JEMALLOC_OPTIONS_INIT;
	struct fallow_jemalloc *jemalloc = NULL;

	REQUIRE(fallow_jemalloc_create(&options, &jemalloc) == -EINVAL && jemalloc == NULL);
	REQUIRE(fallow_jemalloc_create(NULL, &jemalloc) == -EINVAL);
	options.size = 1;
	REQUIRE(fallow_jemalloc_create(&options, &jemalloc) == -EINVAL);
	REQUIRE(fallow_jemalloc_destroy(NULL) == 0);
}

int main(int argc, char **argv)
{
	bool huge_pages = argc > 1 && strcmp(argv[1], "huge-pages") == 0;

	mistakes_are_refused();
	if (!huge_pages) {
		arenas_live_on_a_map(FALLOW_BACKING_ANON, 0, LIMIT);
		arenas_live_on_a_map(FALLOW_BACKING_MEMFD, 0, LIMIT);
		return 0;
	}
	/* As many as LIMIT are in the system's pool. */
	pages_go_with_their_last_piece();
	arenas_live_on_a_map(FALLOW_BACKING_HUGETLB, HUGE, LIMIT / 2 + LIMIT / 4);
	arenas_live_on_a_map(FALLOW_BACKING_HUGETLB, HUGE, 0);
	arenas_live_on_a_pool(FALLOW_POOL_HELD);
	arenas_live_on_a_pool(FALLOW_POOL_ON_DEMAND);
	return 0;
}
