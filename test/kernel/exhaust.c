/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The course of every exhaustion of an arena; see exhaust.h.
 */
#include "test/kernel/exhaust.h"

#include <unistd.h>

#include "test/kernel/hoard.h"
#include "test/lib/lives.h"

/* Exit status of a child that found too little where others may have taken it. */
#define SHORT 3
#define ATTEMPTS 5

#define MAX_CASES 64

struct exhaust_case {
	const struct backing *backing;
	const struct hoard_sizes *sizes;
};

static struct fallow_arena *create(const struct backing *backing)
{
	struct fallow_arena_options options = backing_options(backing);
	struct fallow_arena *arena = NULL;

	must_equal(fallow_arena_create(&options, &arena), 0);
	must(arena != NULL);
	if (options.fd >= 0)
		close(options.fd);
	return arena;
}

static _Noreturn void end_short(const char *what, long long found, long long there)
{
	printf("%s: %lld bytes of %lld, perhaps others took some\n", what, found, there);
	fflush(stdout);
	_exit(SHORT);
}

static void fill(const struct exhaust_case *this, const struct heap *heap, struct hoard *hoard, long long there,
		 const char *when)
{
	const struct backing *backing = this->backing;
	const long long before = hoard_private();
	char what[128];

	snprintf(what, sizeof(what), "%s, %s, %s", backing->name, this->sizes->name, when);
	hoard_fill(hoard, heap, this->sizes, backing->reason, 2 * there);
	if (backing->others_take) /* what we have had, and what we could have: not what others have had */
		there = hoard_private() - before + backing->there(backing);
	hoard_check(hoard, heap);
	if (backing->others_take && hoard->nbytes * 100 < there * 95)
		end_short(what, hoard->nbytes, there);
	hoard_must_be_most_of(hoard, there, what);
}

static void must_be_back(const struct backing *backing, long long there, const char *when)
{
	long long back = backing->there(backing);

	if (backing->others_take && back < there - backing->slack)
		end_short(when, back, there);
	must_be_least(back, there - backing->slack);
}

static void exhaust(void *argument)
{
	const struct exhaust_case *this = argument;
	const struct backing *backing = this->backing;
	const long long there = backing->there(backing);
	struct heap heap = arena_heap(create(backing));
	struct hoard hoard;

	fill(this, &heap, &hoard, there, "at first");
	hoard_empty(&hoard, &heap);
	must_equal(fallow_arena_trim(heap.handle, NULL), 0);
	if (!backing->back_with_arena)
		must_be_back(backing, there, "given back by trim");
	fill(this, &heap, &hoard, there, "and again");
	fallow_arena_destroy(heap.handle);
	must_be_back(backing, there, "given back by destroy");
}

static void lives_through(void **state)
{
	struct exhaust_case *this = *state;
	int status = SHORT;

	for (int attempt = 0; attempt < ATTEMPTS && status == SHORT; attempt++)
		status = lives_status(&this->backing->place, exhaust, this);
	assert_int_equal(status, 0);
}

int exhaust_main(const struct backing *bounded, size_t nbounded, size_t nsizes)
{
	static struct exhaust_case cases[MAX_CASES];
	static char names[MAX_CASES][96];
	static struct CMUnitTest tests[MAX_CASES];
	size_t ntests = 0;

	for (size_t i = 0; i < nbounded; i++)
		for (size_t j = HOARD_NSIZES - nsizes; j < HOARD_NSIZES && ntests < MAX_CASES; j++) {
			cases[ntests] = (struct exhaust_case){ &bounded[i], &hoard_sizes[j] };
			snprintf(names[ntests], sizeof(names[0]), "%s, %s", bounded[i].name, hoard_sizes[j].name);
			tests[ntests] = (struct CMUnitTest){ names[ntests], lives_through, NULL, NULL, &cases[ntests] };
			ntests++;
		}
	return lives_end(_cmocka_run_group_tests("exhaust", tests, ntests, NULL, NULL));
}
