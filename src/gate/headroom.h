/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much memory can still be had before somebody is killed: the least over every limit that applies.
 *
 * These are, of the process's memory cgroup and all above it that can be seen: memory.max and memory.high (version 2),
 * memory.limit_in_bytes and memory.memsw.limit_in_bytes (version 1, which also tells the lowest limit of those that
 * cannot be seen); and of the system: what it calls available, and free swap.
 *
 * Page cache that can be reclaimed counts as there (inactive_file and active_file: clean or dirty, mapped or not, and
 * memory freed lazily; not shmem, nor what is locked). Swap does not, of a group: populates were killed with it free.
 */
#ifndef FL_GATE_HEADROOM_H
#define FL_GATE_HEADROOM_H

#include "diag/failure.h"
#include "gate/cgroup.h"

/* What a limit that limits nothing is: more than any machine has. */
#define FL_UNLIMITED (UINT64_MAX / 4)

struct fl_headroom {
	uint64_t room;             /* bytes that can be had */
	uint64_t hard;             /* bytes that can be had without anything being reclaimed */
	uint64_t limit;            /* bytes, of the limit that has the least room */
	size_t group;              /* which group's limit that is: the length of its path; 0: it is the system's */
	uint64_t refaulted;        /* bytes of page cache that this group ever had to read again; may go backwards */
	enum fallow_reason reason; /* what to call it */
	bool limited;              /* a memory cgroup has a limit */
	bool unsure;               /* something could not be read, or makes no sense */
};

/* Read it. group may be NULL: none was found. root as for fl_cgroup_find(). What cannot be read is said, once. */
void fl_headroom_read(const char *root, struct fl_lines *lines, const struct fl_cgroup *group,
		      struct fl_headroom *headroom);

/* Bytes of anonymous memory that the process has resident; 0 when it cannot be read. */
uint64_t fl_headroom_resident(const char *root, struct fl_lines *lines);

/* Say, once a process, what could not be read. */
void fl_headroom_complain(const char *path, int error) FL_COLD;

#endif
