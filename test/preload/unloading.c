/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that libraries which allocate can be loaded and unloaded: 300 times, from threads that end too, and blocks of an
 * unloaded library stay good.
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { ROUNDS = 100, THREADS = 2, BLOCK = 1000 };

static char path[PATH_MAX];

static void *load_and_unload(void *arg)
{
	for (int round = 0; round < ROUNDS; round++) {
		void *(*plugin_block)(size_t);
		void (*plugin_take)(void *);
		void *block, *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);

		if (plugin == NULL) {
			printf("%s\n", dlerror());
			CHECK(plugin != NULL);
			break;
		}
		*(void **)&plugin_block = dlsym(plugin, "plugin_block");
		*(void **)&plugin_take = dlsym(plugin, "plugin_take");
		block = plugin_block(BLOCK);
		plugin_take(malloc(200));
		CHECK(dlclose(plugin) == 0);
		CHECK(check_holds(block, BLOCK, 'b'));
		free(block);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	const char *top = getenv("top_builddir");

	(void)argc;
	test_preload(argv, NULL);
	check_deadline(60);
	snprintf(path, sizeof path, "%s/test/preload/.libs/plugin.so", top == NULL ? "." : top);
	load_and_unload(NULL);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, load_and_unload, NULL) != 0)
			return 99;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return check_status();
}
