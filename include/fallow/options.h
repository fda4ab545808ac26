/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options by name: the same names and values as in FALLOW_CONF="name:value,..." and in the machine-wide file.
 *
 * The file is read first, the environment after it, both once, at the first allocation, and neither in a program that
 * runs with privileges it was given at exec (AT_SECURE). Unknown names and bad values are named on stderr; the default
 * stays. Options that shape the process heap take effect only when set before its first allocation.
 */
#ifndef FALLOW_OPTIONS_H
#define FALLOW_OPTIONS_H

#include <fallow/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -ENOENT: no such option. -EINVAL: a bad value. -EBUSY: too late to change it. The old value stays on failure. */
FALLOW_API int fallow_option_set(const char *name, const char *value);

/*
 * The value as text into buffer, always terminated when length > 0. -ENOENT: no such option; -ERANGE: cut short.
 */
FALLOW_API int fallow_option_get(const char *name, char *buffer, size_t length);

struct fallow_option {
	const char *name;
	const char *values;        /* what is allowed, for people */
	const char *default_value;
	const char *help;          /* one line */
};

/* The index-th option (static storage), or NULL past the last. */
FALLOW_API const struct fallow_option *fallow_option_at(size_t index);

#ifdef __cplusplus
}
#endif

#endif
