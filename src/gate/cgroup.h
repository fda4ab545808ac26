/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the memory cgroup that the process is in can be read, and those above it as far as they can be seen.
 *
 * The memory controller is in one hierarchy: of version 1 where it is mounted as such, also in hybrid setups, else of
 * version 2. /proc/thread-self/cgroup names the group in it, and /proc/thread-self/mountinfo says where the hierarchy, or the part of
 * it that a container sees, is mounted. Where the two do not meet, as when a process was moved out of its namespace's
 * root, the top of the mount is taken for the group.
 */
#ifndef FL_GATE_CGROUP_H
#define FL_GATE_CGROUP_H

#include "gate/lines.h"

#define FL_CGROUP_LENGTH 1024

struct fl_cgroup {
	bool unified;                /* version 2 */
	size_t top;                  /* bytes of path that are the highest group to be seen */
	char path[FL_CGROUP_LENGTH]; /* the directory of the process's own group */
	char name[FL_CGROUP_LENGTH]; /* the group, as /proc/thread-self/cgroup has it */
};

/*
 * Find it. root stands before every path: "" but in tests. 0; -ENOENT: there is no memory controller to be seen;
 * another -errno: something could not be read, or made no sense (-EINVAL). *group is good after 0 only.
 */
int fl_cgroup_find(const char *root, struct fl_lines *lines, struct fl_cgroup *group);

#endif
