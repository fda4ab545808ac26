/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints the values of the options named by its arguments, one a line, and whether the kernel calls it privileged; for the
 * tests of FALLOW_CONF. It meets fallow by preload or by link, and says so when there is none.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
	int (*option_get)(const char *, char *, size_t);
	char value[256];

	*(void **)&option_get = dlsym(RTLD_DEFAULT, "fallow_option_get");
	if (option_get == NULL) {
		printf("no fallow here\n");
		return 99;
	}
	free(malloc(100));
	printf("AT_SECURE=%lu\n", getauxval(AT_SECURE));
	for (int i = 1; i < argc; i++) {
		if (option_get(argv[i], value, sizeof value) != 0) {
			printf("no option %s\n", argv[i]);
			return 1;
		}
		printf("%s=%s\n", argv[i], value);
	}
	return 0;
}
