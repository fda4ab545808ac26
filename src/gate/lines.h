/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a small text file of the kernel's line by line, whatever is in it, without allocating.
 *
 * A file is opened anew for each reading and closed at its end: programs close and count descriptors as if all were their
 * own. A line too long for the buffer is left out.
 */
#ifndef FL_GATE_LINES_H
#define FL_GATE_LINES_H

#include "base/base.h"

#define FL_LINES_LENGTH 4096

struct fl_lines {
	int fd;      /* -1: closed */
	int error;   /* -errno of a read that failed, else 0 */
	size_t from; /* what has been read and not handed out: text[from, to) */
	size_t to;
	char text[FL_LINES_LENGTH + 1];
};

/* 0 or -errno, with nothing to close. */
int fl_lines_open(struct fl_lines *lines, const char *path);

/* The next line without its end, good until the next call. NULL at the end of the file, which is then closed. */
char *fl_lines_next(struct fl_lines *lines);

/* Stop before the end; harmless after it. */
void fl_lines_close(struct fl_lines *lines);

#endif
