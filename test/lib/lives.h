/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmocka tests whose body runs in a place (place.h): a test passes when its child ended by exit status 0.
 */
#ifndef TEST_LIB_LIVES_H
#define TEST_LIB_LIVES_H

#include <string.h>

#include "test/lib/place.h"
#include "test/lib/test.h"

static int lives_nskipped;

/* The exit status of fn in the place. A signal fails the test, a place that cannot be had skips it. */
static inline int lives_status(const struct place *place, place_fn *fn, void *argument)
{
	struct place_result result = place_run(place, fn, argument);

	switch (result.end) {
	case PLACE_EXITED:
		break;
	case PLACE_KILLED:
		fail_msg("the child was killed by SIG%s", sigabbrev_np(result.value));
		break;
	case PLACE_HUNG:
		fail_msg("the child did not end in time");
		break;
	case PLACE_LACKS:
		printf("skipped: %s\n", result.reason);
		lives_nskipped++;
		skip();
	}
	return result.value;
}

static inline void assert_lives(const struct place *place, place_fn *fn, void *argument)
{
	int status = lives_status(place, fn, argument);

	if (status != 0)
		fail_msg("the child ended with exit status %d", status);
}

/* The exit status of a test program: skipped when nothing failed and not everything was run. */
static inline int lives_end(int nfailed)
{
	if (nfailed != 0)
		return 1;
	return lives_nskipped != 0 ? TEST_SKIP : 0;
}

#endif
