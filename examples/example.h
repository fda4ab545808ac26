/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the examples share. Each shows in a few lines what fallow does, and ends with exit status 1 when that does not
 * hold: they are run by make check.
 */
#ifndef FALLOW_EXAMPLE_H
#define FALLOW_EXAMPLE_H

#include <fallow/fallow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* 77 is a skipped test. */
#define EXAMPLE_LACKS 77

static inline void promise(bool holds, const char *what)
{
	if (holds)
		return;
	printf("broken promise: %s\n", what);
	exit(1);
}

static inline struct fallow_map *example_map(const struct fallow_map_options *options)
{
	struct fallow_map *map = NULL;
	int result = fallow_map_create(options, &map);

	if (result != 0)
		printf("no map: %s\n", strerror(-result));
	promise(result == 0, "a map costs nothing");
	return map;
}

static inline struct fallow_map_stat example_stat(struct fallow_map *map)
{
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;

	promise(fallow_map_stats(map, &stat) == 0, "a map can be asked");
	return stat;
}

/* Why the last call of this thread failed. */
static inline const char *example_why(void)
{
	struct fallow_failure failure;

	fallow_last_failure(&failure);
	return fallow_reason_text(failure.reason);
}

static inline double example_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A number of KiB from /proc/self, such as that of "VmRSS:"; as bytes. */
static inline size_t example_own(const char *name)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	size_t kib = 0;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoul(line + strlen(name), NULL, 10);
	}
	if (status != NULL)
		fclose(status);
	return kib * KIB;
}

#endif
