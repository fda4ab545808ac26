/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting a test again under the preloaded library; see preload.h.
 */
#include "test/lib/preload.h"

#include <dlfcn.h>
#include <unistd.h>

#include "test/lib/test.h"

static const char second_life[] = "FALLOW_TEST_PRELOADED";

void test_preload(char **argv, const char *conf)
{
	const char *library = getenv("FALLOW_PRELOAD");

	if (getenv(second_life) != NULL) {
		if (dlsym(RTLD_DEFAULT, "fallow_malloc") == NULL)
			test_hard_error("the preloaded library is not in effect");
		return;
	}
	if (library == NULL || access(library, R_OK) != 0)
		test_hard_error("FALLOW_PRELOAD does not name the library to preload");
	setenv(second_life, "1", 1);
	setenv("LD_PRELOAD", library, 1);
	if (conf == NULL)
		conf = getenv("FALLOW_TEST_CONF");
	if (conf != NULL)
		setenv("FALLOW_CONF", conf, 1);
	else
		unsetenv("FALLOW_CONF");
	execv("/proc/self/exe", argv);
	test_hard_error("cannot start again under the preloaded library");
}
