/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forms in which fallow stat writes what it has read.
 */
#ifndef FL_CLI_STAT_H
#define FL_CLI_STAT_H

#include <stdio.h>

#include "cli/live.h"
#include "cli/terminal.h"

/* For people. before, read some time earlier, gives rates; NULL: none. */
void fl_stat_screen(FILE *stream, const struct fl_process *process, const struct fl_live *live,
		    const struct fl_live *before, const struct fl_terminal *terminal);

/* One object in one line. */
void fl_stat_json(FILE *stream, const struct fl_process *process, const struct fl_live *live);

/* Prometheus's text exposition. */
void fl_stat_prometheus(FILE *stream, const struct fl_process *process, const struct fl_live *live);

#endif
