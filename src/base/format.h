/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatting into a caller's buffer that never allocates, takes no lock and knows no locale.
 */
#ifndef FL_BASE_FORMAT_H
#define FL_BASE_FORMAT_H

#include <stdarg.h>

#include "base/base.h"

/*
 * Understands %s, %d, %u, %lu, %zu, %lx, %p and %%. The result is terminated and cut to length (at least 1) bytes;
 * returns the bytes written without the terminator.
 */
size_t fl_format(char *buffer, size_t length, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t fl_format_list(char *buffer, size_t length, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Decimal digits at text, ending at its first other character. Returns where it ended; NULL on none or overflow. */
const char *fl_parse_number(const char *text, uint64_t *value);

#endif
