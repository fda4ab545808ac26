/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fallow pool can do, and how its parts read a page size.
 */
#ifndef FL_CLI_POOL_H
#define FL_CLI_POOL_H

#include <stdint.h>

#include "cli/cli.h"

int fl_pool_show(int argc, char **argv);
int fl_pool_resize(int argc, char **argv);
int fl_pool_mount(int argc, char **argv);
int fl_pool_umount(int argc, char **argv);

/* The argument of --size: a page size that has a pool. Ends the process with what there is otherwise. */
uint64_t fl_pool_parse_size(const char *text, struct argp_state *state);

/* The page size when none is given: the system's default. Ends the process where there are no huge pages. */
uint64_t fl_pool_default_size(const char *name);

#endif
