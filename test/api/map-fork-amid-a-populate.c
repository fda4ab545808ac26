/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every kind of map, with a guard and without, that a child made while several threads populate it has the map as it
 * was before: nothing of what is under way counts or is waited for, and it can populate, write, discard and destroy. Its
 * parent's populate goes on and brings in all.
 */
#include <pthread.h>

#include "test/api/map-kinds.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (32 * MiB)
#define BEFORE MiB /* populated and written before */
#define SECONDS_MOST 60 /* of a child, which waits for nobody */

/* Who forks is not the thread that populates: in the child that one is gone in the middle of it. */
struct forker {
	struct fallow_map *map;
	pthread_t thread;
	bool guarded;
	bool shared;
	bool started;
};

static void be_child(const struct forker *forker)
{
	char *base = fallow_map_base(forker->map);

	alarm(SECONDS_MOST);
	must_equal(map_populated(forker->map), BEFORE);
	must(map_reads(base, BEFORE, 'b'));
	must_equal(fallow_map_populate(forker->map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
	must_equal(map_populated(forker->map), LENGTH);
	/* What is shared is the parent's as well. */
	if (!forker->shared) {
		memset(base, 'c', LENGTH);
		must_equal(fallow_map_discard(forker->map, 0, LENGTH), 0);
		must_equal(map_populated(forker->map), 0);
		must_equal(map_touch(base + LENGTH / 2), forker->guarded ? SIGSEGV : 0);
	}
	must_equal(fallow_map_destroy(forker->map), 0);
	_exit(0);
}

static void *have_child(void *argument)
{
	struct forker *forker = argument;
	int status;
	pid_t child = fork();

	must(child >= 0);
	if (child == 0)
		be_child(forker);
	must(waitpid(child, &status, 0) == child);
	must_equal(status, 0);
	return NULL;
}

/* Half way. */
static bool fork_once(struct fallow_map *map, size_t done, size_t total, void *context)
{
	struct forker *forker = context;

	(void)map;
	if (!forker->started && done >= total / 2) {
		forker->started = true;
		must_equal(pthread_create(&forker->thread, NULL, have_child, forker), 0);
		must_equal(pthread_join(forker->thread, NULL), 0);
	}
	return true;
}

static void is_forked_amid(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_populate_options populate = FALLOW_POPULATE_OPTIONS_INIT;
	struct fallow_map_options options = map_options(kind, LENGTH);
	struct forker forker = { .guarded = guard != FALLOW_GUARD_NONE, .shared = kind->share == FALLOW_SHARE_SHARED };

	options.guard = guard;
	forker.map = map_create(&options);
	populate.nthreads = 4;
	populate.progress = fork_once;
	populate.context = &forker;
	must_equal(fallow_map_populate(forker.map, 0, BEFORE, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(forker.map), 'b', BEFORE);
	must_equal(fallow_map_populate_with(forker.map, 0, LENGTH, &populate), 0);
	must(forker.started);
	must_equal(map_populated(forker.map), LENGTH);
	must(map_reads(fallow_map_base(forker.map), BEFORE, 'b'));
	must(map_reads((char *)fallow_map_base(forker.map) + BEFORE, LENGTH - BEFORE, 0));
	map_end(forker.map, &options);
}

static void every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		print_message("%s\n", map_kinds[i].name);
		is_forked_amid(&map_kinds[i], FALLOW_GUARD_NONE);
		is_forked_amid(&map_kinds[i], FALLOW_GUARD_TRAP);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(every_kind) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
