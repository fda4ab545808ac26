/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of fallow doctor. Each adds a finding a line to the report; none changes anything that outlasts it.
 *
 * What the kernel can do is tried, and not told by its version. What stands in the way of huge pages is a problem: a
 * user who asks why there are none finds the answer among the problems.
 */
#ifndef FL_CLI_DOCTOR_H
#define FL_CLI_DOCTOR_H

#include "cli/report.h"

/* Version, and the calls that fallow makes more of. */
void fl_doctor_kernel(struct fl_report *report);

/* Transparent huge pages: the system's settings, this process's, and whether one comes. */
void fl_doctor_thp(struct fl_report *report);

/* The pools of huge pages, and whether a page can be had. */
void fl_doctor_pools(struct fl_report *report);

/* The hugetlb cgroup's limits. */
void fl_doctor_hugetlb_cgroup(struct fl_report *report);

/* Where hugetlbfs is mounted, and what we may do there. */
void fl_doctor_mounts(struct fl_report *report);

/* The memory cgroup's limits. */
void fl_doctor_memory_cgroup(struct fl_report *report);

/* Resource limits and the system's settings of virtual memory. */
void fl_doctor_limits(struct fl_report *report);

#endif
