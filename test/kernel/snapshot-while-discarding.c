/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a snapshot is of one instant while threads write, populate, discard and touch pages, with guards and
 * without.
 *
 * Each thread works on an area of its own, one page at a time, in an order that its seed gives, and counts its steps in
 * the area's first page. An image that has count n must have what the first n steps made of the area, with the page of
 * the next step as it was before that, after it, or under way.
 */
#include <pthread.h>

#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"

#define NTHREADS 4
#define NPAGES 64 /* of an area */
#define NROUNDS 20

enum action { WRITE, DISCARD, POPULATE, READ, NACTIONS };

struct step {
	enum action action;
	size_t page;
};

struct worker {
	pthread_t thread;
	struct fallow_map *map;
	size_t offset;
	uint64_t seed;
	bool guarded;
	bool *stop;
};

static struct step step_of(uint64_t seed, uint64_t n)
{
	uint64_t state = seed + n * 0x9e3779b97f4a7c15u;
	uint64_t random = pattern_random(&state);

	return (struct step){ (enum action)(random % NACTIONS), 1 + random / NACTIONS % (NPAGES - 1) };
}

static void fill(uint64_t *words, size_t nwords, uint64_t value)
{
	for (size_t i = 0; i < nwords; i++)
		__atomic_store_n(&words[i], value, __ATOMIC_RELEASE);
}

static void do_step(const struct worker *w, uint64_t n, size_t page_size)
{
	struct step step = step_of(w->seed, n);
	size_t offset = w->offset + step.page * page_size;
	uint64_t *words = (uint64_t *)((char *)fallow_map_base(w->map) + offset);

	switch (step.action) {
	case WRITE:
		if (w->guarded)
			must_equal(fallow_map_populate(w->map, offset, page_size, FALLOW_POPULATE_WRITE), 0);
		fill(words, page_size / sizeof(*words), n);
		break;
	case DISCARD:
		must_equal(fallow_map_discard(w->map, offset, page_size), 0);
		break;
	case POPULATE:
		must_equal(fallow_map_populate(w->map, offset, page_size, FALLOW_POPULATE_WRITE), 0);
		break;
	default:
		if (!w->guarded)
			(void)__atomic_load_n(words, __ATOMIC_RELAXED);
	}
}

static void *work(void *argument)
{
	const struct worker *w = argument;
	size_t page_size = fallow_map_page_size(w->map);
	uint64_t *count = (uint64_t *)((char *)fallow_map_base(w->map) + w->offset);

	for (uint64_t n = 1; !__atomic_load_n(w->stop, __ATOMIC_RELAXED); n++) {
		do_step(w, n, page_size);
		__atomic_store_n(count, n, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool holds(const uint64_t *words, size_t nwords, uint64_t value, uint64_t next)
{
	size_t i = 0;

	while (i < nwords && words[i] == next)
		i++;
	while (i < nwords && words[i] == value)
		i++;
	return i == nwords;
}

static void must_be_after_its_steps(const struct worker *w, struct fallow_map *restored, size_t page_size)
{
	const uint64_t *words = (uint64_t *)((char *)fallow_map_base(restored) + w->offset);
	size_t nwords = page_size / sizeof(*words);
	uint64_t values[NPAGES] = { 0 }, count = words[0];
	struct step next = step_of(w->seed, count + 1);

	for (uint64_t n = 1; n <= count; n++) {
		struct step step = step_of(w->seed, n);
		if (step.action == WRITE)
			values[step.page] = n;
		else if (step.action == DISCARD)
			values[step.page] = 0;
	}
	for (size_t page = 1; page < NPAGES; page++) {
		uint64_t may = values[page];
		if (page == next.page && (next.action == WRITE || next.action == DISCARD))
			may = next.action == WRITE ? count + 1 : 0;
		must(holds(words + page * nwords, nwords, values[page], may));
	}
}

static void rounds(const struct map_kind *kind, enum fallow_guard guard)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE), length = NTHREADS * NPAGES * page_size;
	struct fallow_map_options options = map_options(kind, length);
	struct worker workers[NTHREADS];
	int image = memfd_create("image", MFD_CLOEXEC);
	bool stop = false;

	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	for (size_t i = 0; i < NTHREADS; i++) {
		workers[i] = (struct worker){ .map = map, .offset = i * NPAGES * page_size, .seed = 1 + i,
					      .guarded = guard != FALLOW_GUARD_NONE, .stop = &stop };
		must_equal(fallow_map_populate(map, workers[i].offset, page_size, FALLOW_POPULATE_WRITE), 0);
		must_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int round = 0; round < NROUNDS; round++) {
		must_equal(ftruncate(image, 0), 0);
		must_equal(lseek(image, 0, SEEK_SET), 0);
		must_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
		struct fallow_map *restored = snapshot_restored(image, length);
		for (size_t i = 0; i < NTHREADS; i++)
			must_be_after_its_steps(&workers[i], restored, page_size);
		fallow_map_destroy(restored);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < NTHREADS; i++)
		pthread_join(workers[i].thread, NULL);
	close(image);
	map_end(map, &options);
}

static void is_of_one_instant(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		for (int guard = FALLOW_GUARD_NONE; guard <= FALLOW_GUARD_TRAP && snapshot_can(&map_kinds[i]); guard++)
			rounds(&map_kinds[i], (enum fallow_guard)guard);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(is_of_one_instant) };

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
