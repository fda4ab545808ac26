/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a request failed: each thread's last failure, and a count of all.
 *
 * Layers below record what the kernel said with fl_failure_note(); whoever answers the user completes it.
 */
#ifndef FL_DIAG_FAILURE_H
#define FL_DIAG_FAILURE_H

#include <fallow/stats.h>

#include "base/base.h"

/* Why something could not be had: 0 on success everywhere, else a reason and the kernel's errno (0: not asked). */
struct fl_failure {
	enum fallow_reason reason;
	int error;
};

/* Keep a failure as the calling thread's last. requested: bytes the user asked for. */
void fl_failure_keep(struct fl_failure failure, size_t requested) FL_COLD;

/* Failures of all threads so far. */
uint64_t fl_failure_count(void);

#endif
