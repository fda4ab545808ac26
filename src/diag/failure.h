/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a request failed: each thread's last failure, the process's last few, and a count of all.
 *
 * Layers below hand up what the kernel said as a struct fl_failure; whoever answers the user keeps it.
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

#define FL_NREASONS (FALLOW_REASON_MAP_LIMIT + 1)

/* Their texts, for who looks from outside; everybody else calls fallow_reason_text(). */
extern const char *const fl_reason_texts[FL_NREASONS];

/* Keep a failure as the calling thread's last, and among the process's. requested: bytes the user asked for. */
void fl_failure_keep(struct fl_failure failure, size_t requested) FL_COLD;

/* The same, by who knows how many bytes there still were. */
void fl_failure_keep_with(struct fl_failure failure, size_t requested, uint64_t headroom) FL_COLD;

/* Failures of all threads so far; atomic. */
extern uint64_t fl_nfailures;

/*
 * The process's last failures: failure n is in element (n - 1) % FALLOW_NFAILURES, whose version is 2n then, and odd while
 * it changes.
 */
struct fl_failure_slot {
	uint64_t version;
	uint64_t time_ms;
	uint64_t requested;
	uint64_t headroom;
	uint32_t reason;
	int32_t error; /* errno */
};

extern struct fl_failure_slot fl_failure_slots[FALLOW_NFAILURES];

#endif
