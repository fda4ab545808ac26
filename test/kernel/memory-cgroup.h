/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory cgroup, version 1, that a process is in.
 */
#ifndef TEST_KERNEL_MEMORY_CGROUP_H
#define TEST_KERNEL_MEMORY_CGROUP_H

#include <stdio.h>
#include <string.h>

#include "test/lib/place.h"

#define MEMORY_CGROUP_MOUNT "/sys/fs/cgroup/memory"
#define MEMORY_CGROUP_PATH 600

/* The name of a file of this process's group, or of one below it. */
static inline void memory_cgroup_file(char path[MEMORY_CGROUP_PATH], const char *file)
{
	char line[512], own[400] = "";
	FILE *groups = fopen("/proc/self/cgroup", "re");

	must(groups != NULL);
	while (fgets(line, sizeof(line), groups) != NULL) {
		char *at = strstr(line, ":memory:");
		if (at != NULL)
			snprintf(own, sizeof(own), "%.*s", (int)strcspn(at + 8, "\n"), at + 8);
	}
	fclose(groups);
	snprintf(path, MEMORY_CGROUP_PATH, MEMORY_CGROUP_MOUNT "%s/%s", own, file);
}

#endif
