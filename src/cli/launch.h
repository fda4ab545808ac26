/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting a program with libfallow-malloc preloaded and its options in FALLOW_CONF.
 *
 * The options are those of the library itself (fallow_option_at()), and the library says whether it takes a value, before
 * the program starts. What FALLOW_CONF and LD_PRELOAD have already stays: a later setting of an option overrules an
 * earlier one. The library is looked for beside the one that this command runs on, so that a build tree, an installation
 * and one that was moved all find their own.
 */
#ifndef FL_CLI_LAUNCH_H
#define FL_CLI_LAUNCH_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"

/* Most options that fl_launch_options() writes. */
#define FL_LAUNCH_NOPTIONS 64

struct fl_launch {
	char **program; /* with its arguments, as argv has them */
	bool verbose;
	FILE *conf;     /* writes what FALLOW_CONF will be, into text */
	char *text;
	size_t length;
};

/* False for want of memory, with errno. */
bool fl_launch_begin(struct fl_launch *launch);

/* The library's options and --verbose as argp wants them, with argp's flags. Returns how many: what follows is the caller's. */
size_t fl_launch_options(struct argp_option *options, int flags);

/* To be called by a command's parser for what is not its own. Options of a command's own may have letters as keys. */
error_t fl_launch_parse(struct fl_launch *launch, int key, char *argument, struct argp_state *state);

/*
 * Set the environment of this process and its children. False with a line on stderr behind name when there is no library to
 * preload, or it cannot be named.
 */
bool fl_launch_set(struct fl_launch *launch, const char *name);

/* Become the program. Returns only when that fails, with the status to end with, and the reason said. */
enum fl_status fl_launch_execute(const struct fl_launch *launch, const char *name);

#endif
