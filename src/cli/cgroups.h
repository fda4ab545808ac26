/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cgroup that we are in, of one controller, and those above it as far as they can be seen.
 *
 * The controller is in version 1's hierarchy where one is mounted that has it, else in version 2's. A container may see
 * its own group as the top; a group that does not lie in what is mounted is taken for the top of the mount.
 */
#ifndef FL_CLI_CGROUPS_H
#define FL_CLI_CGROUPS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's own "no limit" of version 1 is a little below 2^63, by the page size. */
#define FL_CGROUP_UNLIMITED ((uint64_t)1 << 62)

struct fl_group {
	bool unified;        /* version 2 */
	size_t top;          /* bytes of path that are the highest group to be seen */
	char path[PATH_MAX]; /* of its directory */
};

/* False when neither version is mounted where we can see it. */
bool fl_group_find(const char *controller, struct fl_group *group);

/* Go to the group above. False at the top, which stays. */
bool fl_group_up(struct fl_group *group);

/* A limit or count of the group's; FL_CGROUP_UNLIMITED for "max". False when there is no such file. */
bool fl_group_number(const struct fl_group *group, const char *file, uint64_t *number);

/* A line of its memory.stat. 0 when there is none. */
uint64_t fl_group_stat(const struct fl_group *group, const char *name);

#endif
