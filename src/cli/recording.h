/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a recording has: a process's counters over time, its failures, and pictures of its memory at moments.
 *
 * doc/recording-format.md has the bytes. Times are milliseconds since the program was started.
 */
#ifndef FL_CLI_RECORDING_H
#define FL_CLI_RECORDING_H

#include "cli/live.h"
#include "cli/residency.h"

#define FL_RECORDING_MAGIC "fallow recording" /* 16 bytes, without the terminator */
#define FL_RECORDING_VERSION 1

/* A block: a tag of 4 letters, the length of what follows the header, a checksum of both and of that. */
#define FL_BLOCK_HEADER 12
#define FL_BLOCK_MAX ((uint32_t)1 << 24)
#define FL_BLOCK_HEAD "head"
#define FL_BLOCK_SAMPLES "samp"
#define FL_BLOCK_FAILURE "fail"
#define FL_BLOCK_PICTURE "pict"
#define FL_BLOCK_PROCESS "proc"
#define FL_BLOCK_END "end."

/* In the order of the format; more may follow at the end. */
enum fl_counter {
	FL_COUNTER_TAKEN,
	FL_COUNTER_POPULATED,
	FL_COUNTER_IDLE,
	FL_COUNTER_RESIDENT,
	FL_COUNTER_IN_MAPS,
	FL_COUNTER_SPILLED,
	FL_COUNTER_METADATA,
	FL_COUNTER_LARGE,
	FL_COUNTER_NLARGE,
	FL_COUNTER_NSLABS,
	FL_COUNTER_NPOPULATES,
	FL_COUNTER_NDISCARDS,
	FL_COUNTER_NFAILURES,
	FL_COUNTER_NCACHES,
	FL_NCOUNTERS,
};

struct fl_counter_style {
	const char *name;  /* for scripts */
	size_t offset;     /* of the number in struct fl_live */
};

extern const struct fl_counter_style fl_counter_styles[FL_NCOUNTERS];

struct fl_sample {
	uint64_t time;
	uint64_t counters[FL_NCOUNTERS];
};

/* Why a picture was taken: several may be true. */
enum fl_occasion {
	FL_AT_FAILURE = 1, /* while the thread that was refused waited */
	FL_AT_END = 2,     /* while the process waited, to end then */
	FL_AT_PEAK = 4,    /* when there was clearly more memory than ever before */
	FL_REGULAR = 8,
	FL_AFTER_FAILURE = 16, /* as soon as it was noticed from outside */
};

/* Cells that are alike, one after the other. */
struct fl_run_of_cells {
	uint64_t n;
	struct fl_mix mix;
};

struct fl_recorded_panel {
	char *name;
	char *backing;
	uint64_t base, mapped, length, cell; /* as of struct fl_panel */
	bool is_map;
	struct fl_run_of_cells *runs;
	size_t nruns;
};

struct fl_recorded_picture {
	uint64_t time;
	uint64_t occasions; /* enum fl_occasion */
	uint64_t failure;   /* number of the failure, with FL_AT_FAILURE or FL_AFTER_FAILURE */
	uint64_t ncolumns;
	struct fl_recorded_panel *panels;
	size_t npanels;
};

struct fl_recorded_failure {
	uint64_t number, time, requested;
	uint64_t headroom; /* or FALLOW_HEADROOM_UNKNOWN */
	uint64_t error;    /* errno, or 0 */
	char *reason;
};

/* The process was first seen, or is another program since. */
struct fl_recorded_process {
	uint64_t time;
	char *name;
};

enum fl_ending {
	FL_ENDED_NOT,      /* the recording was cut off */
	FL_ENDED_STATUS,   /* the program ended with a status */
	FL_ENDED_SIGNAL,
};

struct fl_recording {
	uint64_t started;  /* milliseconds since 1970 */
	uint64_t interval; /* milliseconds between samples, or more */
	uint64_t pid;
	char *command;     /* with its arguments */
	char *writer;      /* which fallow wrote it */
	struct fl_sample *samples;
	size_t nsamples;
	struct fl_recorded_failure *failures;
	size_t nfailures;
	struct fl_recorded_picture *pictures;
	size_t npictures;
	struct fl_recorded_process *processes;
	size_t nprocesses;
	enum fl_ending ending;
	uint64_t ended;      /* when; of a recording that was cut off, the last time in it */
	uint64_t status;     /* or signal */
	bool end_seen;       /* there is a sample and a picture of the very end */
	uint64_t ndamaged;   /* bytes that are not whole blocks, before the last whole one */
	uint64_t ntorn;      /* bytes behind that one */
};

/*
 * Read what is whole of a file. False with a line on stderr behind name: it cannot be read, is no recording, or is of another
 * version. The caller frees it by fl_recording_destroy(), also then.
 */
bool fl_recording_read(struct fl_recording *recording, const char *path, const char *name);
void fl_recording_destroy(struct fl_recording *recording);

/* Whether all that fallow record meant to write is there. */
bool fl_recording_is_whole(const struct fl_recording *recording);

/* The largest that a counter was, and when, for the first time. */
uint64_t fl_recording_peak(const struct fl_recording *recording, enum fl_counter counter, uint64_t *time);

#define FL_REMARK_LENGTH 160

/* "ended with status 0", "was ended by SIGKILL", or that the recording breaks off. */
void fl_recording_describe_end(const struct fl_recording *recording, char *text, size_t length);

/* What a reader must know of what is missing: remark number i, from 0 on. False when there are no more. */
bool fl_recording_remark(const struct fl_recording *recording, unsigned int i, char *text, size_t length);

#endif
