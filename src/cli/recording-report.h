/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forms in which fallow report writes a recording.
 */
#ifndef FL_CLI_RECORDING_REPORT_H
#define FL_CLI_RECORDING_REPORT_H

#include <stdio.h>

#include "cli/recording.h"
#include "cli/terminal.h"

/* A summary for people. */
void fl_recording_text(FILE *stream, const struct fl_recording *recording, const struct fl_terminal *terminal);

/*
 * One object in one line: times are milliseconds, sizes bytes. Of more samples than nsamples_max those are written that show
 * the course, the highest and the lowest of each stretch.
 */
void fl_recording_json(FILE *stream, const struct fl_recording *recording, size_t nsamples_max);

/* A page that needs nothing else. False for want of memory. */
bool fl_recording_html(FILE *stream, const struct fl_recording *recording);

#endif
