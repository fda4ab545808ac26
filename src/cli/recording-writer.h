/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing a recording, block by block; each is written as a whole, so what is there is whole at any time.
 *
 * When a write fails, as on a full disk, the file is cut behind the last whole block, the reason is kept in error, and nothing
 * more is written.
 */
#ifndef FL_CLI_RECORDING_WRITER_H
#define FL_CLI_RECORDING_WRITER_H

#include "cli/bytes.h"
#include "cli/map.h"
#include "cli/recording.h"

struct fl_recording_writer {
	int fd;
	int error;            /* errno of what failed, or 0 */
	uint64_t length;      /* bytes of whole blocks */
	struct fl_bytes samples;
	size_t nsamples;      /* kept in samples */
	uint64_t kept_since;
	struct fl_sample last;
};

/* Make the file, which is replaced if there is one. False with errno. */
bool fl_recording_create(struct fl_recording_writer *writer, const char *path);

/* What is known before the program runs. */
void fl_recording_write_head(struct fl_recording_writer *writer, uint64_t started, uint64_t interval, int pid,
			     char *const *arguments);

/* Samples are kept for some time, to be written together; all else is written at once, behind them. */
void fl_recording_write_sample(struct fl_recording_writer *writer, uint64_t time, const struct fl_live *live);
void fl_recording_write_failure(struct fl_recording_writer *writer, uint64_t time, const struct fl_live_failure *failure);
void fl_recording_write_picture(struct fl_recording_writer *writer, uint64_t time, uint64_t occasions, uint64_t failure,
				const struct fl_picture *picture);
void fl_recording_write_process(struct fl_recording_writer *writer, uint64_t time, const char *name);
void fl_recording_write_end(struct fl_recording_writer *writer, uint64_t time, enum fl_ending ending, uint64_t status,
			    bool end_seen);

/* Write what is still kept, and close. */
void fl_recording_close(struct fl_recording_writer *writer);

#endif
