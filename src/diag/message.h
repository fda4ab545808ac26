/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library says: single lines on stderr by one write(2) each, without allocating or taking a lock.
 */
#ifndef FL_DIAG_MESSAGE_H
#define FL_DIAG_MESSAGE_H

#include "base/base.h"

/* Look at what stderr is, before the program may have closed it. */
void fl_message_start(void);

/*
 * Whether stderr still is what it was: a program that closed it may have a file of its own there. For what is written
 * unasked at some later time.
 */
bool fl_message_has_stderr(void);

/* "fallow: " + the text + newline; cut at 400 bytes. Formats as fl_format() does. */
void fl_message(const char *format, ...) __attribute__((format(printf, 1, 2))) FL_COLD;

/* The same, then abort(3). For corruption and misuse only, never for want of memory. */
void fl_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn)) FL_COLD;

#endif
