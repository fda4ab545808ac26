/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that an ordinary program with fallow preloaded, which mallocs until NULL and writes all it got, lives and ends
 * with exit status 0: on a pool of four huge pages with spill:fail, under RLIMIT_AS, under RLIMIT_DATA and under
 * overcommit_memory=2. It got at least 95 % of what was there; it was told why there is
 * no more; what it freed went back while it slept; and it could have it again.
 */
#include <fallow/stats.h>

#include "test/kernel/hoard.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define ATTEMPTS 5

struct preloaded {
	const char *name;
	struct place place;
	const char *conf;
	enum fallow_reason reason;
	const char *counter;
	size_t slack;
	bool others_take; /* others may take some meanwhile: up to five attempts */
};

static const struct preloaded preloaded[] = {
	{
		.name = "four huge pages",
		.place.huge_2m = 4,
		.conf = "backing:hugetlb,spill:fail,decay:500ms",
		.reason = FALLOW_REASON_POOL_EMPTY,
		.counter = "pool",
		.slack = 2 * MiB, /* a page for what libc itself has */
	},
	{
		.name = "RLIMIT_AS",
		.place.address_space = 256 * MiB,
		.conf = "decay:500ms",
		.reason = FALLOW_REASON_RLIMIT,
		.counter = "resident",
		.slack = 4 * MiB,
	},
	{
		.name = "RLIMIT_DATA",
		.place.data = 64 * MiB,
		.conf = "decay:500ms",
		.reason = FALLOW_REASON_RLIMIT,
		.counter = "resident",
		.slack = 4 * MiB,
	},
	{
		.name = "overcommit_memory=2",
		.place.commit = 256 * MiB,
		.conf = "decay:500ms",
		.reason = FALLOW_REASON_COMMIT_LIMIT,
		.counter = "resident",
		.slack = 4 * MiB,
		.others_take = true,
	},
};

#define NPRELOADED (sizeof(preloaded) / sizeof(preloaded[0]))

struct preloaded_case {
	const struct preloaded *preloaded;
	size_t sizes;
};

static void run_fill(void *argument)
{
	const struct preloaded_case *this = argument;
	const struct preloaded *how = this->preloaded;
	long long there = how->place.huge_2m != 0  ? place_free_2m()
			  : how->place.commit != 0 ? hoard_committable()
						   : hoard_mappable();
	char program[4096], there_text[24], sizes[24], reason[24], counter[24], slack[24];
	char *argv[] = { program, there_text, sizes, reason, counter, slack, NULL };

	must(getenv("FALLOW_PRELOAD") != NULL && getenv("top_builddir") != NULL);
	snprintf(program, sizeof(program), "%s/test/kernel/fill", getenv("top_builddir"));
	snprintf(there_text, sizeof(there_text), "%lld", there);
	snprintf(sizes, sizeof(sizes), "%zu", this->sizes);
	snprintf(reason, sizeof(reason), "%d", (int)how->reason);
	snprintf(counter, sizeof(counter), "%s", how->counter);
	snprintf(slack, sizeof(slack), "%zu", how->slack);
	setenv("LD_PRELOAD", getenv("FALLOW_PRELOAD"), 1);
	setenv("FALLOW_CONF", how->conf, 1);
	place_execute(argv);
}

static void lives_through(void **state)
{
	struct preloaded_case *this = *state;
	int attempts = this->preloaded->others_take ? ATTEMPTS : 1, status = 1;

	while (status != 0 && attempts-- > 0)
		status = lives_status(&this->preloaded->place, run_fill, this);
	assert_int_equal(status, 0);
}

int main(void)
{
	static struct preloaded_case cases[NPRELOADED * HOARD_NSIZES];
	static char names[NPRELOADED * HOARD_NSIZES][96];
	static struct CMUnitTest tests[NPRELOADED * HOARD_NSIZES];
	size_t ntests = 0;

	for (size_t i = 0; i < NPRELOADED; i++)
		for (size_t j = 0; j < HOARD_NSIZES; j++, ntests++) {
			cases[ntests] = (struct preloaded_case){ &preloaded[i], j };
			snprintf(names[ntests], sizeof(names[0]), "%s, %s", preloaded[i].name, hoard_sizes[j].name);
			tests[ntests] = (struct CMUnitTest){ names[ntests], lives_through, NULL, NULL, &cases[ntests] };
		}
	return lives_end(_cmocka_run_group_tests("exhaust preloaded", tests, ntests, NULL, NULL));
}
