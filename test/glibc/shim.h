/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What glibc's own build defines before its test support library and the internal headers of malloc's tests.
 *
 * Included by force when those sources are compiled outside their tree; the tests themselves see only the copies of
 * internal headers that the harness prefixes with it.
 */
#ifndef FALLOW_TEST_GLIBC_SHIM_H
#define FALLOW_TEST_GLIBC_SHIM_H

#include <limits.h>
#include <sys/cdefs.h>

#define TIMEOUTFACTOR 1
#define __set_errno(value) (errno = (value))
#define attribute_hidden
#define libc_hidden_def(name)
#define libc_hidden_proto(name)

#endif
