/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A C test that is its own program under the preloaded library.
 */
#ifndef FALLOW_TEST_PRELOAD_H
#define FALLOW_TEST_PRELOAD_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Call it first in main. Starts the program again with libfallow-malloc preloaded and FALLOW_CONF set to conf (NULL: to what
 * FALLOW_TEST_CONF says, or unset), and returns in that second life only. Ends as a hard error when the library is not
 * found or not in effect.
 */
void test_preload(char **argv, const char *conf);

#ifdef __cplusplus
}
#endif

#endif
