/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps under random work of many threads: pages are populated, discarded, written, read, left to the kernel and taken back,
 * collected as dirty or taken in snapshots, populates are cancelled half way, the process forks; and every page holds what a
 * model says, collections tell of what was written and of nothing else, and images have what was there when they were taken.
 *
 * A map's pages lie in plots, each of which belongs to a thread. Only its owner writes and discards there and collects
 * its changes, and so knows what is to come of it. Populating and reading is done by all, anywhere: it must change
 * nothing. Every round has a new map, of another kind.
 *
 * STRESS_SECONDS (5) in the environment says how long, STRESS_SEED (1) what random numbers; the seed is printed.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "test/api/snapshot-kinds.h"
#include "test/unit/random.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* 5.4 */
#endif

#define NTHREADS 4
#define PLOT 64
#define NPLOTS 64
#define NPAGES (NPLOTS * PLOT)
#define NSTEPS 1500
#define NRANGES 8
#define CHILD_SECONDS 60

struct round {
	struct fallow_map *map;
	char *base;
	size_t page;
	bool shared;
	bool tracked;
	bool forks;
	bool snapshots;
	bool purges; /* pages can be volatile */
	/* Only what is populated is touched, and populates are cancelled: what a fault brings in could go with them. */
	bool careful;
	/* A populate may count as a write: fallow/dirty.h says where. */
	bool populating_counts;
};

/* What its owner knows of a page. */
struct leaf {
	uint64_t value; /* in its first and last word; 0: zeros */
	bool populated;
	bool written;
	bool discarded;
	bool held;
};

struct worker {
	pthread_t thread;
	struct round *round;
	size_t index;
	uint64_t random;
	unsigned long nsteps;
	unsigned long ntold;
	unsigned long ncancelled;
	unsigned long nlost;
	unsigned long nimages;
	uint64_t taken[NPAGES]; /* what its own pages held when it took a snapshot */
};

/* A page's is changed by its owner only. */
static struct leaf leaves[NPAGES];

static uint64_t setting(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : fallback;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Pages */

/* Others may read what its owner writes. */
static uint64_t *first_word(const struct round *round, size_t page)
{
	return (uint64_t *)(round->base + page * round->page);
}

static uint64_t *last_word(const struct round *round, size_t page)
{
	return (uint64_t *)(round->base + (page + 1) * round->page) - 1;
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static bool may_touch(const struct round *round, size_t page)
{
	return !round->careful || leaves[page].populated;
}

static void check(const struct round *round, size_t page)
{
	if (!may_touch(round, page))
		return;
	must_equal(load(first_word(round, page)), leaves[page].value);
	must_equal(load(last_word(round, page)), leaves[page].value);
}

/* The first page of one of the worker's plots. */
static size_t own_plot(struct worker *worker)
{
	return (random_below(&worker->random, NPLOTS / NTHREADS) * NTHREADS + worker->index) * PLOT;
}

/* A part of that plot. */
static size_t own_part(struct worker *worker, size_t *end)
{
	size_t first = own_plot(worker) + random_below(&worker->random, PLOT);

	*end = first + 1 + random_below(&worker->random, PLOT - first % PLOT);
	return first;
}

/* Steps */

static void write_own(struct worker *worker)
{
	size_t end, page = own_part(worker, &end);

	for (; page < end; page++) {
		struct leaf *leaf = &leaves[page];

		check(worker->round, page);
		if (!may_touch(worker->round, page))
			continue;
		leaf->value = random_next(&worker->random) | 1;
		leaf->written = true;
		store(first_word(worker->round, page), leaf->value);
		store(last_word(worker->round, page), leaf->value);
	}
}

static void discard_own(struct worker *worker)
{
	const struct round *round = worker->round;
	size_t end, first = own_part(worker, &end);

	must_equal(fallow_map_discard(round->map, first * round->page, (end - first) * round->page), 0);
	for (size_t page = first; page < end; page++) {
		struct leaf *leaf = &leaves[page];
		leaf->discarded = leaf->discarded || leaf->held;
		leaf->written = leaf->populated = false;
		leaf->value = 0;
		check(round, page);
	}
}

static bool cancel(struct fallow_map *map, size_t done, size_t total, void *context)
{
	(void)map;
	(void)done;
	(void)total;
	(void)context;
	return false;
}

/* Anybody's pages. What is known of it is known of the worker's own. */
static void populate_any(struct worker *worker)
{
	struct fallow_populate_options options = FALLOW_POPULATE_OPTIONS_INIT;
	const struct round *round = worker->round;
	size_t first = random_below(&worker->random, NPAGES), n = 1 + random_below(&worker->random, 4 * PLOT);
	size_t end = first + n < NPAGES ? first + n : NPAGES;
	bool cancels = round->careful && random_below(&worker->random, 3) == 0;

	options.mode = random_below(&worker->random, 2) ? FALLOW_POPULATE_WRITE : FALLOW_POPULATE_READ;
	options.nthreads = 1;
	options.progress = cancels ? cancel : NULL;
	int result = fallow_map_populate_with(round->map, first * round->page, (end - first) * round->page, &options);
	must_equal(result, cancels ? -ECANCELED : 0);
	worker->ncancelled += cancels;
	for (size_t page = first; !cancels && page < end; page++) {
		if (page / PLOT % NTHREADS == worker->index) {
			leaves[page].populated = true;
			check(round, page);
		}
	}
}

static void read_any(struct worker *worker)
{
	const struct round *round = worker->round;

	if (!round->careful)
		load(first_word(round, random_below(&worker->random, NPAGES)));
	else
		check(round, own_plot(worker));
}

static void told(struct worker *worker, size_t first, size_t end, unsigned int changes)
{
	for (size_t page = first; page < end; page++) {
		struct leaf *leaf = &leaves[page];
		unsigned int expected = (leaf->written ? FALLOW_DIRTY_WRITTEN : 0) | (leaf->discarded ? FALLOW_DIRTY_DISCARDED : 0);
		unsigned int allowed = worker->round->populating_counts ? expected | FALLOW_DIRTY_WRITTEN : expected;

		must_equal(changes & expected, expected);
		must_equal(changes & ~allowed, 0);
		if (changes != 0)
			leaf->held = changes & FALLOW_DIRTY_WRITTEN;
		leaf->written = leaf->discarded = false;
		worker->ntold += changes != 0;
	}
}

/* A plot of one's own, with room for some ranges at a time. */
static void collect_own(struct worker *worker)
{
	const struct round *round = worker->round;
	struct fallow_dirty_range ranges[NRANGES];
	size_t room = 1 + random_below(&worker->random, NRANGES), n = room, page = own_plot(worker), end = page + PLOT;

	if (!round->tracked)
		return;
	for (; n == room; n = n == room ? n : 0) {
		must_equal(fallow_dirty_collect(round->map, page * round->page, (end - page) * round->page, ranges, &n), 0);
		for (size_t i = 0; i < n; i++) {
			size_t from = ranges[i].offset / round->page;
			told(worker, page, from, 0);
			page = from + ranges[i].length / round->page;
			told(worker, from, page, ranges[i].changes);
		}
	}
	told(worker, page, end, 0);
}

/* What the kernel drops meanwhile, and only that, is zero then. */
static void leave_and_take_back_own(struct worker *worker)
{
	const struct round *round = worker->round;
	uint64_t lost[PLOT / 64 + 1];
	size_t end, first = own_part(worker, &end), length = (end - first) * round->page, nlost;

	if (!round->purges)
		return;
	must_equal(fallow_volatile_begin(round->map, first * round->page, length), 0);
	if (random_below(&worker->random, 2) == 0)
		madvise(round->base + first * round->page, length, MADV_PAGEOUT);
	must_equal(fallow_volatile_end(round->map, first * round->page, length, lost, &nlost), 0);
	for (size_t page = first; page < end; page++) {
		struct leaf *leaf = &leaves[page];
		if (lost[(page - first) / 64] >> ((page - first) % 64) & 1) {
			leaf->value = 0;
			leaf->populated = false;
		}
		check(round, page);
	}
	worker->nlost += nlost;
}

static void check_image(struct worker *worker, int image)
{
	const struct round *round = worker->round;
	struct fallow_map *restored = snapshot_restored(image, NPAGES * round->page);
	const struct round as_taken = { .map = restored, .base = fallow_map_base(restored), .page = round->page };

	for (size_t page = 0; page < NPAGES; page++) {
		if (page / PLOT % NTHREADS == worker->index) {
			must_equal(load(first_word(&as_taken, page)), worker->taken[page]);
			must_equal(load(last_word(&as_taken, page)), worker->taken[page]);
		}
	}
	must_equal(fallow_map_destroy(restored), 0);
}

/* Of the map as a whole: what it has of others' pages only they could know. One at a time: another's is in the way. */
static void take_snapshot(struct worker *worker)
{
	const struct round *round = worker->round;
	struct fallow_snapshot *snapshot;

	if (!round->snapshots || random_below(&worker->random, 40) != 0)
		return;
	int image = memfd_create("image", MFD_CLOEXEC);
	int result = fallow_snapshot_take(round->map, image, NULL, &snapshot);
	if (result == 0) {
		for (size_t page = 0; page < NPAGES; page++)
			worker->taken[page] = leaves[page].value;
		for (int i = 0; i < 10; i++) {
			write_own(worker);
			discard_own(worker);
		}
		must_equal(fallow_snapshot_wait(snapshot), 0);
		check_image(worker, image);
		worker->nimages++;
	} else {
		must_equal(result, -EBUSY);
	}
	close(image);
}

/* The child has the worker's pages as they are now, and a map that works; what is shared is its parent's. */
static _Noreturn void be_child(struct worker *worker)
{
	struct round *round = worker->round;

	alarm(CHILD_SECONDS);
	for (size_t page = 0; page < NPAGES; page++) {
		if (page / PLOT % NTHREADS == worker->index)
			check(round, page);
	}
	if (!round->shared) {
		struct fallow_dirty_range range;
		size_t n = 1;
		must_equal(fallow_dirty_collect(round->map, 0, round->page, &range, &n), -ENOENT);
		round->tracked = false;
		for (int i = 0; i < 100; i++) {
			discard_own(worker);
			populate_any(worker);
			write_own(worker);
		}
	}
	_exit(0);
}

static void have_child(struct worker *worker)
{
	int status;

	if (!worker->round->forks || random_below(&worker->random, 20) != 0)
		return;
	pid_t child = fork();
	must(child >= 0);
	if (child == 0)
		be_child(worker);
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
}

static void *work(void *argument)
{
	static void (*const steps[])(struct worker *worker) = {
		write_own, write_own, write_own, discard_own, populate_any, populate_any, read_any, collect_own, collect_own,
		leave_and_take_back_own, take_snapshot, have_child,
	};
	struct worker *worker = argument;

	for (; worker->nsteps < NSTEPS; worker->nsteps++)
		steps[random_below(&worker->random, sizeof(steps) / sizeof(steps[0]))](worker);
	return NULL;
}

/* Rounds */

static void check_all(const struct round *round)
{
	for (size_t page = 0; page < NPAGES; page++)
		check(round, page);
}

static void run(struct worker *workers)
{
	for (size_t i = 0; i < NTHREADS; i++)
		must_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (size_t i = 0; i < NTHREADS; i++)
		must_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void play_round(const struct map_kind *kind, uint64_t seed, struct worker *total)
{
	static struct worker workers[NTHREADS];
	uint64_t random = seed;
	struct round round = { .shared = kind->share == FALLOW_SHARE_SHARED, .tracked = random_below(&random, 2) != 0,
			       .forks = random_below(&random, 3) == 0, .careful = random_below(&random, 2) != 0,
			       .page = (size_t)sysconf(_SC_PAGESIZE) };
	struct fallow_map_options options = map_options(kind, NPAGES * round.page);

	round.snapshots = !round.tracked && snapshot_can(kind);
	round.purges = !round.tracked && kind->backing == FALLOW_BACKING_ANON && !round.shared;
	options.guard = round.careful && random_below(&random, 2) ? FALLOW_GUARD_TRAP : FALLOW_GUARD_NONE;
	options.thp = random_below(&random, 2) ? FALLOW_THP_ALWAYS : FALLOW_THP_NEVER;
	round.map = map_create(&options);
	round.base = fallow_map_base(round.map);
	round.populating_counts = round.shared ? kind->backing == FALLOW_BACKING_FILE && !kind->on_tmpfs : round.forks;
	printf("%s%s%s%s%s\n", kind->name, options.guard ? ", guard" : "", round.tracked ? ", tracked" : "",
	       round.careful ? ", cancelling" : "", round.forks ? ", forking" : "");
	fflush(stdout);
	memset(leaves, 0, sizeof(leaves));
	if (round.tracked)
		must_equal(fallow_dirty_start(round.map), 0);
	for (size_t i = 0; i < NTHREADS; i++)
		workers[i] = (struct worker){ .round = &round, .index = i, .random = random_next(&random) };
	run(workers);
	check_all(&round);
	for (size_t i = 0; i < NTHREADS; i++) {
		total->nsteps += workers[i].nsteps;
		total->ntold += workers[i].ntold;
		total->ncancelled += workers[i].ncancelled;
		total->nlost += workers[i].nlost;
		total->nimages += workers[i].nimages;
	}
	if (round.tracked)
		must_equal(fallow_dirty_stop(round.map), 0);
	must_equal(fallow_map_discard(round.map, 0, NPAGES * round.page), 0);
	must_equal(map_populated(round.map), 0);
	map_end(round.map, &options);
}

int main(void)
{
	uint64_t seed = setting("STRESS_SEED", 1), end = now_ms() + setting("STRESS_SECONDS", 5) * 1000;
	static struct worker total;
	unsigned long nrounds = 0;

	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	snapshot_need();
	for (; nrounds < NMAP_KINDS || now_ms() < end; nrounds++)
		play_round(&map_kinds[nrounds % NMAP_KINDS], seed * 1000003 + nrounds, &total);
	printf("%lu steps in %lu rounds, %lu pages told of, %lu populates cancelled, %lu volatile pages lost, %lu snapshots\n",
	       total.nsteps, nrounds, total.ntold, total.ncancelled, total.nlost, total.nimages);
	must(total.ntold > 0 && total.ncancelled > 0 && total.nimages > 0);
	return 0;
}
