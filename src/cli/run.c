/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow run: becomes a program on fallow.
 */
#include <stdio.h>

#include "cli/launch.h"

static error_t parse(int key, char *argument, struct argp_state *state)
{
	return fl_launch_parse(state->input, key, argument, state);
}

int fl_run(int argc, char **argv)
{
	struct argp_option options[FL_LAUNCH_NOPTIONS + 1] = { 0 };
	const struct argp argp = { options, parse, "[--] PROGRAM [ARGUMENT...]",
				   "Run a program on fallow; fallow-run(1) has more about each option.", NULL, NULL, NULL };
	struct fl_launch launch;

	if (!fl_launch_begin(&launch)) {
		perror(argv[0]);
		return FL_STATUS_RUN_USAGE;
	}
	fl_launch_options(options, 0);
	fl_parse(&argp, argc, argv, FL_STATUS_RUN_USAGE, &launch);
	return fl_launch_set(&launch, argv[0]) ? fl_launch_execute(&launch, argv[0]) : FL_STATUS_RUN_USAGE;
}
