/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program which has used up max_map_count is told so instead of dying: an arena from before either serves
 * or says NULL with ENOMEM and the reason, a new one either comes to be or is refused with ENOMEM, and when mappings
 * are given back everything works again.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <fallow/arena.h>
#include <fallow/stats.h>

#include "test/lib/lives.h"

#define PAGE ((size_t)4096)
#define MAX_MAPS 2000
#define NBLOCKS 200

static char *maps[MAX_MAPS];
static size_t nmaps;

/* Single pages that cannot merge with their neighbours, until the kernel has no more mappings to give. */
static void use_up_maps(void)
{
	while (nmaps < MAX_MAPS) {
		int protection = nmaps % 2 != 0 ? PROT_READ : PROT_READ | PROT_WRITE;
		char *map = mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			break;
		maps[nmaps++] = map;
	}
	must_equal(errno, ENOMEM);
	must(nmaps > 100 && nmaps < MAX_MAPS);
}

static void give_maps_back(void)
{
	while (nmaps > 0)
		must(munmap(maps[--nmaps], PAGE) == 0);
}

/* Blocks of many sizes; how many were had. Each no must say why. */
static int ask(struct fallow_arena *arena, unsigned char **blocks)
{
	int had = 0;

	for (int i = 0; i < NBLOCKS; i++) {
		size_t size = (size_t)16 << i % 18;
		struct fallow_failure failure;

		errno = 0;
		blocks[i] = fallow_arena_malloc(arena, size);
		if (blocks[i] != NULL) {
			memset(blocks[i], i, size);
			had++;
		} else {
			must_equal(errno, ENOMEM);
			must_equal(fallow_last_failure(&failure), 0);
			must_equal(failure.reason, FALLOW_REASON_MAP_COUNT);
		}
	}
	return had;
}

static void put(struct fallow_arena *arena, unsigned char **blocks)
{
	for (int i = 0; i < NBLOCKS; i++) {
		size_t size = (size_t)16 << i % 18;

		if (blocks[i] != NULL)
			must(blocks[i][0] == i && memcmp(blocks[i], blocks[i] + 1, size - 1) == 0);
		fallow_arena_free(arena, blocks[i]);
	}
}

static void use_up_and_ask(void *argument)
{
	struct fallow_arena *early = NULL, *late = NULL;
	unsigned char *blocks[NBLOCKS];
	int error;

	(void)argument;
	must_equal(fallow_arena_create(NULL, &early), 0);
	must_equal(ask(early, blocks), NBLOCKS);
	put(early, blocks);
	use_up_maps();
	printf("of an arena from before: %d of %d blocks\n", ask(early, blocks), NBLOCKS);
	error = fallow_arena_create(NULL, &late);
	printf("a new arena: %s\n", strerror(-error));
	fflush(stdout);
	must(error == 0 || error == -ENOMEM);
	must((error == 0) == (late != NULL));
	put(early, blocks);
	must_equal(fallow_arena_trim(early, NULL), 0);
	give_maps_back();
	if (late == NULL)
		must_equal(fallow_arena_create(NULL, &late), 0);
	must_equal(ask(early, blocks), NBLOCKS);
	put(early, blocks);
	must_equal(ask(late, blocks), NBLOCKS);
	fallow_arena_destroy(late);
	fallow_arena_destroy(early);
}

static void says_so(void **state)
{
	static const struct place place = { .map_count = 1500 };

	(void)state;
	assert_lives(&place, use_up_and_ask, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(says_so) };

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
