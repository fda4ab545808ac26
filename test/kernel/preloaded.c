/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running fill where memory runs out; see preloaded.h.
 */
#include "test/kernel/preloaded.h"

#include "test/kernel/hoard.h"
#include "test/lib/lives.h"

#define ATTEMPTS 5
#define MAX_PRELOADED 8

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

int preloaded_main(const struct preloaded *preloaded, size_t npreloaded)
{
	static struct preloaded_case cases[MAX_PRELOADED * HOARD_NSIZES];
	static char names[MAX_PRELOADED * HOARD_NSIZES][96];
	static struct CMUnitTest tests[MAX_PRELOADED * HOARD_NSIZES];
	size_t ntests = 0;

	for (size_t i = 0; i < npreloaded; i++)
		for (size_t j = 0; j < HOARD_NSIZES; j++, ntests++) {
			cases[ntests] = (struct preloaded_case){ &preloaded[i], j };
			snprintf(names[ntests], sizeof(names[0]), "%s, %s", preloaded[i].name, hoard_sizes[j].name);
			tests[ntests] = (struct CMUnitTest){ names[ntests], lives_through, NULL, NULL, &cases[ntests] };
		}
	return lives_end(_cmocka_run_group_tests("exhaust preloaded", tests, ntests, NULL, NULL));
}
