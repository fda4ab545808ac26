/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves in a memory cgroup that forces the kernel to take volatile pages that each page reported as survived has its
 * content and each lost one reads zero, in 1,000 rounds: while pages are taken, two threads take ranges back, and
 * two write to volatile pages and to others. So too with huge pages and with a guard.
 *
 * A page is all of one value but for one word, which belongs to the writers.
 */
#include <errno.h>
#include <pthread.h>

#include "test/api/map-kinds.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define NROUNDS 1000
#define NROUNDS_OTHERS 200
#define CHUNK_PAGES 64
#define NTAKERS 2
#define NWRITERS 2
#define STEP (MiB / 4)

#define PRESSURE (8 * MiB)

struct run {
	enum fallow_guard guard;
	enum fallow_thp thp;
	int nrounds;
	/*
	 * Of the cgroup. What cannot be reclaimed fits in: the pressure, what was just taken back, and what writers write
	 * to, which are some pages or one huge page. With all that is volatile it is more.
	 */
	size_t limit;
	size_t length;

	struct fallow_map *map;
	struct fallow_map *pressure;
	size_t page;
	size_t npages;
	int round;
	bool over;            /* atomic */
	pthread_barrier_t start;
	pthread_barrier_t finish;
	size_t pressed;       /* atomic: bytes */
	size_t nsurvived;     /* atomic */
	size_t nlost;         /* atomic */
};

struct taker {
	pthread_t thread;
	struct run *run;
	size_t first; /* pages [first, end) */
	size_t end;
	uint64_t random;
};

static uint64_t next(uint64_t *state)
{
	return (*state = *state * 6364136223846793005u + 1442695040888963407u) >> 33;
}

static uint32_t *words_of(const struct run *run, size_t page)
{
	return (uint32_t *)((char *)fallow_map_base(run->map) + page * run->page);
}

static bool is_written_to(const struct run *run, size_t page)
{
	return run->guard == FALLOW_GUARD_NONE && page < 512 && page % 16 == 3;
}

/* Where the writers' word lies: in some pages before, in others behind what the page is known by. */
static size_t writers_word(const struct run *run, size_t page)
{
	return page * 37 % (run->page / 4);
}

/* Every fourth page holds nothing but zeros. */
static uint32_t content(const struct run *run, size_t page)
{
	return page % 4 == 1 ? 0 : (uint32_t)(run->round * 65536) + (uint32_t)page + 1;
}

static void fill(const struct run *run)
{
	must_equal(fallow_map_populate(run->map, 0, run->length, FALLOW_POPULATE_WRITE), 0);
	for (size_t page = 0; page < run->npages; page++) {
		uint32_t *words = words_of(run, page), value = content(run, page);

		for (size_t i = 0; i < run->page / 4; i++)
			__atomic_store_n(&words[i], i == writers_word(run, page) ? 0 : value, __ATOMIC_RELAXED);
	}
}

static void must_hold(const struct run *run, size_t page, uint32_t value)
{
	const uint32_t *words = words_of(run, page);

	for (size_t i = 0; i < run->page / 4; i++) {
		uint32_t word = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
		bool is_theirs = i == writers_word(run, page);

		must(is_theirs ? word == 0 || is_written_to(run, page) : word == value);
	}
}

/* Take a chunk back, look at it, and give it back, so that what is taken back never outgrows the cgroup. */
static void take_back(struct run *run, size_t first)
{
	uint64_t lost[CHUNK_PAGES / 64];
	size_t nlost = 0, nbits = 0;

	must_equal(fallow_volatile_end(run->map, first * run->page, CHUNK_PAGES * run->page, lost, &nlost), 0);
	for (size_t i = 0; i < CHUNK_PAGES; i++) {
		bool is_lost = lost[i / 64] >> (i % 64) & 1;

		nbits += is_lost;
		if (!is_lost || run->guard == FALLOW_GUARD_NONE)
			must_hold(run, first + i, is_lost ? 0 : content(run, first + i));
	}
	must_equal(nbits, nlost);
	__atomic_add_fetch(&run->nlost, nlost, __ATOMIC_RELAXED);
	__atomic_add_fetch(&run->nsurvived, CHUNK_PAGES - nlost, __ATOMIC_RELAXED);
	must_equal(fallow_map_discard(run->map, first * run->page, CHUNK_PAGES * run->page), 0);
}

static void *take_back_rounds(void *argument)
{
	struct taker *taker = argument;
	struct run *run = taker->run;

	for (int i = 0; i < run->nrounds; i++) {
		pthread_barrier_wait(&run->start);
		size_t wanted = PRESSURE - next(&taker->random) % (PRESSURE / 2);
		while (__atomic_load_n(&run->pressed, __ATOMIC_RELAXED) < wanted)
			usleep(50);
		for (size_t first = taker->first; first < taker->end; first += CHUNK_PAGES)
			take_back(run, first);
		pthread_barrier_wait(&run->finish);
	}
	return NULL;
}

static void *write_always(void *argument)
{
	struct run *run = argument;
	uint64_t random = (uintptr_t)&random;
	uint32_t n = 0;

	while (!__atomic_load_n(&run->over, __ATOMIC_RELAXED)) {
		size_t page = next(&random) % run->npages / 16 * 16 + 3;

		if (is_written_to(run, page))
			__atomic_store_n(&words_of(run, page)[writers_word(run, page)], ++n, __ATOMIC_RELAXED);
		if (n % 64 == 0)
			usleep(50);
	}
	return NULL;
}

static void press(struct run *run)
{
	for (size_t done = 0; done < PRESSURE; done += STEP) {
		must_equal(fallow_map_populate(run->pressure, done, STEP, FALLOW_POPULATE_WRITE), 0);
		__atomic_store_n(&run->pressed, done + STEP, __ATOMIC_RELAXED);
	}
}

static void do_rounds(struct run *run)
{
	for (run->round = 0; run->round < run->nrounds; run->round++) {
		__atomic_store_n(&run->pressed, 0, __ATOMIC_RELAXED);
		fill(run);
		must_equal(fallow_volatile_begin(run->map, 0, run->length), 0);
		pthread_barrier_wait(&run->start);
		press(run);
		pthread_barrier_wait(&run->finish);
		must_equal(fallow_map_discard(run->pressure, 0, PRESSURE), 0);
	}
}

static void survive(void *argument)
{
	struct run *run = argument;
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct taker takers[NTAKERS];
	pthread_t writers[NWRITERS];

	options.length = PRESSURE;
	run->pressure = map_create(&options);
	options.length = run->length;
	options.guard = run->guard;
	options.thp = run->thp;
	run->map = map_create(&options);
	run->page = fallow_map_page_size(run->map);
	run->npages = run->length / run->page;
	must_equal(pthread_barrier_init(&run->start, NULL, NTAKERS + 1), 0);
	must_equal(pthread_barrier_init(&run->finish, NULL, NTAKERS + 1), 0);
	for (size_t i = 0; i < NTAKERS; i++) {
		takers[i] = (struct taker){ .run = run, .first = run->npages / NTAKERS * i,
					    .end = run->npages / NTAKERS * (i + 1), .random = i };
		must_equal(pthread_create(&takers[i].thread, NULL, take_back_rounds, &takers[i]), 0);
	}
	for (size_t i = 0; i < NWRITERS; i++)
		must_equal(pthread_create(&writers[i], NULL, write_always, run), 0);
	do_rounds(run);
	__atomic_store_n(&run->over, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < NTAKERS; i++)
		pthread_join(takers[i].thread, NULL);
	for (size_t i = 0; i < NWRITERS; i++)
		pthread_join(writers[i], NULL);
	printf("%zu pages survived, %zu were lost\n", run->nsurvived, run->nlost);
	fflush(stdout);
	/* Neither is for show. */
	must_be_least(run->nlost, run->nrounds * 10);
	must_be_least(run->nsurvived, run->nrounds * 10);
	fallow_map_destroy(run->map);
	fallow_map_destroy(run->pressure);
}

static void tells_the_truth(void **state)
{
	const struct run *run = *state;
	const struct place place = { .memory_cgroup = run->limit };

	assert_lives(&place, survive, *state);
}

int main(void)
{
	static struct run small = {
		.thp = FALLOW_THP_NEVER, .length = 4 * MiB, .limit = 10 * MiB, .nrounds = NROUNDS,
	};
	static struct run huge = {
		.thp = FALLOW_THP_ALWAYS, .length = 12 * MiB, .limit = 16 * MiB, .nrounds = NROUNDS_OTHERS,
	};
	static struct run guarded = {
		.thp = FALLOW_THP_NEVER, .length = 4 * MiB, .limit = 10 * MiB, .nrounds = NROUNDS_OTHERS,
		.guard = FALLOW_GUARD_TRAP,
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(tells_the_truth, &small),
		cmocka_unit_test_prestate(tells_the_truth, &huge),
		cmocka_unit_test_prestate(tells_the_truth, &guarded),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
