/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at a process again and again, and writing down what is seen.
 *
 * All is read from outside, so that the process's allocations take no longer: its counters every so many milliseconds, and
 * pictures of its memory now and then, at clearly new peaks, and at failures. At its start, its end and its failures the
 * process itself waits to be looked at (recorder-moments.h), so that a program of a millisecond is seen too, and a failure's picture is
 * of its very moment. Where it does not, as when it is another user's or does not end by exit(3), there is what was seen
 * last before.
 *
 * Looking takes a fiftieth of a processor at most for counters, the same for pictures, and the same for those of failures:
 * what costs more is done less often. What happens often has fewer and fewer pictures, so that a recording of a day can be opened.
 */
#ifndef FL_CLI_RECORDER_H
#define FL_CLI_RECORDER_H

#include "cli/recorder-moments.h"
#include "cli/recording-writer.h"

/* When something may be done next; the more often it was done, the longer it takes. Times are milliseconds. */
struct fl_pace {
	uint64_t next;
	uint64_t spacing;
	unsigned int n;
};

struct fl_recorder {
	int pid;
	uint64_t interval;        /* milliseconds */
	uint64_t begun;           /* CLOCK_MONOTONIC, milliseconds */
	struct fl_recording_writer writer;
	struct fl_moments moments;
	struct fl_process process;
	bool open;                /* there is a process */
	const void *program;      /* its record, and when its heap was made: another of either is another program */
	uint64_t started_ms;
	bool waits;               /* it waits for moments, as far as is known */
	bool end_seen;
	struct fl_live live;
	uint64_t last_failure;    /* number of the last that was written */
	uint64_t peak;            /* bytes, of the largest picture */
	uint64_t next_sample;
	struct fl_pace attempts;
	struct fl_pace regular, peaks, failures; /* pictures */
	size_t nsamples, npictures, nfailures;
};

/* Zeroed, but for interval, writer and moments. The process of that number is about to execute its program. */
void fl_recorder_begin(struct fl_recorder *recorder, int pid);

/* Look, when it is time to or the process asks for it; returns after that, or when the moments are interrupted. */
void fl_recorder_go_on(struct fl_recorder *recorder);

/* The process has ended so. Closes the recording. */
void fl_recorder_end(struct fl_recorder *recorder, enum fl_ending ending, uint64_t status);

/* Milliseconds since it began. */
uint64_t fl_recorder_time(const struct fl_recorder *recorder);

#endif
