/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random work for many threads: blocks of all sizes and alignments are made, resized, checked, passed to other threads
 * and freed there; threads end and begin; now and then the process forks, and the child works on what it inherited.
 *
 * STRESS_SECONDS (5) in the environment says how long, STRESS_SEED (1) what random numbers. Each run prints its seed; with
 * one seed every thread makes the same requests, though not at the same times.
 */
#ifndef TEST_STRESS_WORK_H
#define TEST_STRESS_WORK_H

#include <fallow/arena.h>

#define WORK_ARENAS 8

struct work {
	/* Where blocks come from; NULL is the process heap. */
	struct fallow_arena *arenas[WORK_ARENAS];
	unsigned int narenas;
	bool null_is_an_answer;   /* limits are set: requests may fail, with ENOMEM */
	unsigned int size_shift;  /* largest block is 1 << size_shift bytes */
	/* What came of it. */
	unsigned long nrequests;
	unsigned long nnull;
	unsigned long nthreads;
	unsigned long nforks;
};

/* Work until the time is over, and print what was done. Ends the program as failed when anything is not as it should be. */
void work_run(struct work *work);

#endif
