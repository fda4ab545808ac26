/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a fork keeps what private huge pages hold, for parent and child, when the pool has none left: both write all
 * that was allocated, a hundred times, while threads write and allocate on, and nobody dies. So for arenas, pools and maps;
 * with the policy copy also when the pool is emptied after the fork. With refuse fork fails with ENOMEM instead, and
 * nothing has changed. A fork that the pool covers moves nothing, and what was moved comes from the pool again once it has
 * been given back.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/api/map-kinds.h"
#include "test/lib/lives.h"

#define HUGE ((size_t)2 << 20)
#define NPAGES 16
#define NFORKS 100
#define NFORKS_FEW 20
#define NWRITERS 2
#define NBLOCKS 512
#define BLOCK ((size_t)100000)
#define STRIDE 2048
#define CHILD_SECONDS 30

/* All of a pool's memory, and threads that never stop writing to theirs. */
struct hold {
	struct fallow_arena *arena;
	unsigned char *blocks[NBLOCKS];
	size_t nblocks;
	unsigned char *written[NWRITERS]; /* a block each */
	pthread_t threads[NWRITERS + 1];
	bool stop; /* atomic */
};

static void write_all(unsigned char *bytes, size_t length, unsigned char value)
{
	for (size_t i = 0; i < length; i += STRIDE)
		__atomic_store_n(&bytes[i], value, __ATOMIC_RELAXED);
}

static bool holds_all(const unsigned char *bytes, size_t length, unsigned char value)
{
	for (size_t i = 0; i < length; i += STRIDE) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

struct writer {
	struct hold *hold;
	unsigned char *block;
};

static void *keep_writing(void *argument)
{
	struct writer *writer = argument;
	unsigned char value = 0;

	while (!__atomic_load_n(&writer->hold->stop, __ATOMIC_RELAXED)) {
		write_all(writer->block, BLOCK, ++value);
		must(holds_all(writer->block, BLOCK, value));
	}
	return NULL;
}

/* What a fork has freed of the pool is taken at once. */
static void *keep_allocating(void *argument)
{
	struct hold *hold = argument;

	while (!__atomic_load_n(&hold->stop, __ATOMIC_RELAXED)) {
		unsigned char *block = fallow_arena_malloc(hold->arena, 3 * BLOCK);
		if (block)
			write_all(block, 3 * BLOCK, 1);
		fallow_arena_free(hold->arena, block);
	}
	return NULL;
}

static void fill(struct hold *hold)
{
	while (hold->nblocks < NBLOCKS) {
		unsigned char *block = fallow_arena_malloc(hold->arena, BLOCK);
		if (block == NULL)
			break;
		hold->blocks[hold->nblocks++] = block;
	}
	must_be_least(hold->nblocks * BLOCK, NPAGES * HUGE / 2);
}

static _Noreturn void be_child(struct hold *hold, unsigned char value)
{
	alarm(CHILD_SECONDS);
	for (size_t i = 0; i < hold->nblocks; i++) {
		must(holds_all(hold->blocks[i], BLOCK, value));
		write_all(hold->blocks[i], BLOCK, (unsigned char)(value + 100));
	}
	for (size_t i = 0; i < NWRITERS; i++) {
		if (hold->written[i])
			write_all(hold->written[i], BLOCK, value);
	}
	must(holds_all(hold->blocks[0], BLOCK, (unsigned char)(value + 100)));
	_exit(0);
}

/* Both write at the same time. */
static void fork_and_write(struct hold *hold, unsigned char value)
{
	int status;

	for (size_t i = 0; i < hold->nblocks; i++)
		write_all(hold->blocks[i], BLOCK, value);
	pid_t child = fallow_fork();
	must_be_least(child, 0);
	if (child == 0)
		be_child(hold, value);
	for (size_t i = 0; i < hold->nblocks; i++) {
		must(holds_all(hold->blocks[i], BLOCK, value));
		write_all(hold->blocks[i], BLOCK, (unsigned char)(value + 1));
	}
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
	for (size_t i = 0; i < hold->nblocks; i++)
		must(holds_all(hold->blocks[i], BLOCK, (unsigned char)(value + 1)));
}

static void start_writers(struct hold *hold, struct writer writers[static NWRITERS])
{
	for (size_t i = 0; i < NWRITERS; i++) {
		hold->written[i] = fallow_arena_malloc(hold->arena, BLOCK);
		must(hold->written[i] != NULL);
		writers[i] = (struct writer){ hold, hold->written[i] };
		must_equal(pthread_create(&hold->threads[i], NULL, keep_writing, &writers[i]), 0);
	}
	must_equal(pthread_create(&hold->threads[NWRITERS], NULL, keep_allocating, hold), 0);
}

static void stop_writers(struct hold *hold)
{
	__atomic_store_n(&hold->stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < NWRITERS + 1; i++)
		pthread_join(hold->threads[i], NULL);
}

static struct fallow_arena *create_arena(enum fallow_fork policy, struct fallow_pool *pool)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = HUGE;
	options.fork = policy;
	options.pool = pool;
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

/* A new block after each fork: the pool has room again, which is used up. */
static void fork_with_threads(struct fallow_arena *arena)
{
	struct hold hold = { .arena = arena };
	struct writer writers[NWRITERS];

	start_writers(&hold, writers);
	for (int i = 0; i < NFORKS; i++) {
		fill(&hold);
		fork_and_write(&hold, (unsigned char)i);
		if (i % 10 == 9) {
			while (hold.nblocks != 0)
				fallow_arena_free(arena, hold.blocks[--hold.nblocks]);
			fallow_arena_trim(arena, NULL);
		}
	}
	stop_writers(&hold);
	fallow_arena_destroy(arena);
}

static void arena_with_threads(void *unused)
{
	(void)unused;
	fork_with_threads(create_arena(FALLOW_FORK_AUTO, NULL));
	must_equal(place_free_2m(), NPAGES * HUGE);
}

static void pool_with_threads(void *supply)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_pool *pool;

	options.page_size = HUGE;
	options.npages = NPAGES;
	options.supply = *(enum fallow_pool_supply *)supply;
	must_equal(fallow_pool_create(&options, &pool), 0);
	fork_with_threads(create_arena(FALLOW_FORK_AUTO, pool));
	must_equal(fallow_pool_destroy(pool), 0);
	must_equal(place_free_2m(), NPAGES * HUGE);
}

static void arena_alone(void *unused)
{
	struct hold hold = { .arena = create_arena(FALLOW_FORK_AUTO, NULL) };

	(void)unused;
	for (int i = 0; i < NFORKS_FEW; i++) {
		fill(&hold);
		fork_and_write(&hold, (unsigned char)i);
	}
	fallow_arena_destroy(hold.arena);
	must_equal(place_free_2m(), NPAGES * HUGE);
}

/* Registered before fallow's handlers, this one runs after them: what it allocates comes in while a child is made. */
static struct hold *to_fill;

static void fill_before_fork(void)
{
	unsigned char value = 0;

	if (to_fill == NULL)
		return;
	if (to_fill->nblocks != 0)
		value = to_fill->blocks[0][0];
	fill(to_fill);
	for (size_t i = 0; i < to_fill->nblocks; i++)
		write_all(to_fill->blocks[i], BLOCK, value);
}

static void arena_with_handler(void *unused)
{
	struct hold hold = { .arena = create_arena(FALLOW_FORK_AUTO, NULL) };

	(void)unused;
	to_fill = &hold;
	for (int i = 0; i < NFORKS_FEW; i++) {
		fork_and_write(&hold, (unsigned char)i);
		while (hold.nblocks > 1)
			fallow_arena_free(hold.arena, hold.blocks[--hold.nblocks]);
		fallow_arena_trim(hold.arena, NULL);
	}
	to_fill = NULL;
	fallow_arena_destroy(hold.arena);
}

static void map_fork_and_write(struct fallow_map *map, unsigned char value)
{
	unsigned char *bytes = fallow_map_base(map);
	size_t length = fallow_map_size(map);
	int status;

	write_all(bytes, length, value);
	pid_t child = fallow_fork();
	must_be_least(child, 0);
	if (child == 0) {
		alarm(CHILD_SECONDS);
		must(holds_all(bytes, length, value));
		write_all(bytes, length, (unsigned char)(value + 100));
		must_equal(fallow_map_discard(map, 0, length), 0);
		must_equal(fallow_map_populate(map, 0, HUGE, FALLOW_POPULATE_WRITE), 0);
		must(holds_all(bytes, HUGE, 0));
		_exit(0);
	}
	write_all(bytes, length, (unsigned char)(value + 1));
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
	must(holds_all(bytes, length, (unsigned char)(value + 1)));
}

static void map_alone(void *guard)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = HUGE;
	options.length = NPAGES * HUGE;
	options.guard = *(enum fallow_guard *)guard;
	struct fallow_map *map = map_create(&options);
	for (int i = 0; i < NFORKS_FEW; i++) {
		must_equal(fallow_map_populate(map, 0, options.length, FALLOW_POPULATE_WRITE), 0);
		map_fork_and_write(map, (unsigned char)i);
		if (i % 5 == 4) {
			must_equal(fallow_map_discard(map, 0, options.length), 0);
			must_equal(place_free_2m(), NPAGES * HUGE);
		}
	}
	fallow_map_destroy(map);
	must_equal(place_free_2m(), NPAGES * HUGE);
}

static void refused(void *unused)
{
	struct hold hold = { .arena = create_arena(FALLOW_FORK_REFUSE, NULL) };
	struct fallow_failure failure;

	(void)unused;
	fill(&hold);
	long long left = place_free_2m();
	errno = 0;
	must_equal(fallow_fork(), -1);
	must_equal(errno, ENOMEM);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_POOL_EMPTY);
	must_equal(place_free_2m(), left);
	/* With half of the pool free there is a child. */
	while (hold.nblocks * BLOCK > (NPAGES / 2 - 2) * HUGE)
		fallow_arena_free(hold.arena, hold.blocks[--hold.nblocks]);
	fallow_arena_trim(hold.arena, NULL);
	fork_and_write(&hold, 7);
	must_be_most(place_free_2m(), (NPAGES / 2 + 2) * HUGE);
	fallow_arena_destroy(hold.arena);
}

static void covered(void *unused)
{
	struct fallow_arena *arena = create_arena(FALLOW_FORK_AUTO, NULL);
	struct hold hold = { .arena = arena };

	(void)unused;
	while (hold.nblocks < 5 * HUGE / BLOCK)
		must((hold.blocks[hold.nblocks++] = fallow_arena_malloc(arena, BLOCK)) != NULL);
	long long left = place_free_2m();
	must_be_most(left, (NPAGES - 5) * HUGE);
	fork_and_write(&hold, 3);
	must_equal(place_free_2m(), left);
	fallow_arena_destroy(arena);
}

/* The child waits until its parent has emptied the pool, and so does the parent before it writes. */
static void copied(void *unused)
{
	struct fallow_arena *arena = create_arena(FALLOW_FORK_COPY, NULL);
	struct hold hold = { .arena = arena };
	int status, pipes[2];
	char byte;

	(void)unused;
	while (hold.nblocks < 3 * HUGE / BLOCK)
		must((hold.blocks[hold.nblocks++] = fallow_arena_malloc(arena, BLOCK)) != NULL);
	for (size_t i = 0; i < hold.nblocks; i++)
		write_all(hold.blocks[i], BLOCK, 9);
	must_equal(pipe(pipes), 0);
	pid_t child = fallow_fork();
	must_be_least(child, 0);
	if (child == 0) {
		alarm(CHILD_SECONDS);
		must_equal(read(pipes[0], &byte, 1), 1);
		be_child(&hold, 9);
	}
	struct hold rest = { .arena = create_arena(FALLOW_FORK_COPY, NULL) };
	fill(&rest);
	must_equal(place_free_2m(), 0);
	must_equal(write(pipes[1], "x", 1), 1);
	for (size_t i = 0; i < hold.nblocks; i++)
		write_all(hold.blocks[i], BLOCK, 10);
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
	fallow_arena_destroy(rest.arena);
	fallow_arena_destroy(arena);
}

static const struct place pool = { .huge_2m = NPAGES };

static void an_arena_survives_alone(void **state)
{
	(void)state;
	assert_lives(&pool, arena_alone, NULL);
}

static void an_arena_survives_with_threads(void **state)
{
	(void)state;
	assert_lives(&pool, arena_with_threads, NULL);
}

static void what_handlers_allocate_survives(void **state)
{
	(void)state;
	assert_lives(&pool, arena_with_handler, NULL);
}

static void pools_survive_with_threads(void **state)
{
	enum fallow_pool_supply supplies[] = { FALLOW_POOL_HELD, FALLOW_POOL_ON_DEMAND };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_lives(&pool, pool_with_threads, &supplies[i]);
}

static void maps_survive(void **state)
{
	enum fallow_guard guards[] = { FALLOW_GUARD_NONE, FALLOW_GUARD_TRAP };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_lives(&pool, map_alone, &guards[i]);
}

static void refuse_is_enomem(void **state)
{
	(void)state;
	assert_lives(&pool, refused, NULL);
}

static void what_is_covered_stays(void **state)
{
	(void)state;
	assert_lives(&pool, covered, NULL);
}

static void copies_outlive_the_pool(void **state)
{
	(void)state;
	assert_lives(&pool, copied, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_survives_alone),
		cmocka_unit_test(an_arena_survives_with_threads),
		cmocka_unit_test(what_handlers_allocate_survives),
		cmocka_unit_test(pools_survive_with_threads),
		cmocka_unit_test(maps_survive),
		cmocka_unit_test(refuse_is_enomem),
		cmocka_unit_test(what_is_covered_stays),
		cmocka_unit_test(copies_outlive_the_pool),
	};

	if (pthread_atfork(fill_before_fork, NULL, NULL) != 0)
		return TEST_HARD_ERROR;
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
