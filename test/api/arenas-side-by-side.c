/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that arenas on different backings live side by side: random requests to all of them keep every block's
 * content, each draws from its own backing, blocks go back by fallow_free() as well as by fallow_arena_free(), and
 * destroying one leaves the others as they are.
 */
#include <fcntl.h>
#include <unistd.h>

#include <fallow/arena.h>
#include <fallow/malloc.h>

#include "test/api/pattern.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define NARENAS 6
#define NBLOCKS 256
#define NSTEPS 20000
#define SEED 7u

struct block {
	unsigned char *bytes;
	size_t size;
	int arena;
	uint64_t seed;
};

static struct fallow_arena *create(enum fallow_backing backing, size_t page_size, const char *path)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena = NULL;

	options.backing = backing;
	options.page_size = page_size;
	if (path != NULL) {
		options.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		must(options.fd >= 0);
	}
	must_equal(fallow_arena_create(&options, &arena), 0);
	if (path != NULL)
		close(options.fd);
	return arena;
}

static size_t random_size(uint64_t *random)
{
	return 1 + pattern_random(random) % ((size_t)16 << pattern_random(random) % 13);
}

static void replace(struct fallow_arena *const *arenas, struct block *block, uint64_t *random, uint64_t step)
{
	if (block->bytes != NULL) {
		must(pattern_holds(block->bytes, block->size, block->seed));
		if (step % 2 != 0)
			fallow_free(block->bytes);
		else
			fallow_arena_free(arenas[block->arena], block->bytes);
	}
	block->arena = (int)(pattern_random(random) % NARENAS);
	block->size = random_size(random);
	block->seed = step;
	block->bytes = fallow_arena_malloc(arenas[block->arena], block->size);
	must(block->bytes != NULL);
	pattern_write(block->bytes, block->size, step);
}

static void live_side_by_side(void *argument)
{
	struct fallow_arena *arenas[NARENAS] = {
		create(FALLOW_BACKING_ANON, 0, NULL),
		create(FALLOW_BACKING_HUGETLB, 2 * MiB, NULL),
		create(FALLOW_BACKING_MEMFD, 0, NULL),
		create(FALLOW_BACKING_FILE, 0, PLACE_TMPFS "/file"),
		create(FALLOW_BACKING_FILE, 0, PLACE_HUGETLBFS "/file"),
		create(FALLOW_BACKING_FILE, 0, PLACE_EXT4 "/file"),
	};
	static struct block blocks[NBLOCKS];
	uint64_t random = SEED;

	(void)argument;
	printf("seed %u\n", SEED);
	for (uint64_t step = 0; step < NSTEPS; step++)
		replace(arenas, &blocks[pattern_random(&random) % NBLOCKS], &random, step);
	for (int i = 0; i < NARENAS; i++) {
		struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

		must_equal(fallow_arena_stats(arenas[i], &stat), 0);
		must(stat.taken > 0 && stat.populated > 0);
		fallow_arena_destroy(arenas[i]);
		for (int j = 0; j < NBLOCKS; j++)
			if (blocks[j].bytes != NULL && blocks[j].arena > i)
				must(pattern_holds(blocks[j].bytes, blocks[j].size, blocks[j].seed));
	}
}

static void keep_apart(void **state)
{
	static const struct place place = {
		.huge_2m = 32, .tmpfs = 32 * MiB, .hugetlbfs = PLACE_UNSIZED, .ext4 = 48 * MiB,
	};

	(void)state;
	assert_lives(&place, live_side_by_side, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(keep_apart) };

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
