/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making blocks.
 */
#include "config.h"

#include "cli/recording-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fallow/stats.h>

/* What is kept is lost when the recorder is killed. */
#define NSAMPLES_KEPT 64
#define SAMPLES_KEPT_MS 250

static void put_word(uint8_t *to, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(word >> 8 * i);
}

static void write_all(struct fl_recording_writer *writer, const void *data, size_t length)
{
	const char *from = data;
	size_t left = length;

	while (left > 0 && writer->error == 0) {
		ssize_t n = write(writer->fd, from, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			writer->error = n < 0 ? errno : ENOSPC;
			/* What is no regular file keeps what it has got. */
			if (ftruncate(writer->fd, (off_t)writer->length) != 0)
				break;
		} else {
			from += n;
			left -= (size_t)n;
		}
	}
	if (writer->error == 0)
		writer->length += length;
}

/* Of a payload behind room for the header, which bytes begins with. */
static void write_block(struct fl_recording_writer *writer, const char *tag, struct fl_bytes *bytes)
{
	uint32_t length = (uint32_t)(bytes->length - FL_BLOCK_HEADER);

	memcpy(bytes->data, tag, 4);
	put_word(bytes->data + 4, length);
	uint32_t checksum = fl_checksum(fl_checksum(0, bytes->data, 8), bytes->data + FL_BLOCK_HEADER, length);
	put_word(bytes->data + 8, checksum);
	if (length <= FL_BLOCK_MAX)
		write_all(writer, bytes->data, bytes->length);
	bytes->length = FL_BLOCK_HEADER;
}

static struct fl_bytes begin_block(void)
{
	struct fl_bytes bytes = { NULL, 0, 0 };

	fl_bytes_put(&bytes, (const char[FL_BLOCK_HEADER]){ 0 }, FL_BLOCK_HEADER);
	return bytes;
}

static void write_samples(struct fl_recording_writer *writer)
{
	if (writer->nsamples == 0)
		return;
	write_block(writer, FL_BLOCK_SAMPLES, &writer->samples);
	/* Blocks do without each other: the next one's first sample is told from zero. */
	writer->nsamples = 0;
	writer->last = (struct fl_sample){ 0 };
}

static void end_block(struct fl_recording_writer *writer, const char *tag, struct fl_bytes *bytes)
{
	write_samples(writer);
	write_block(writer, tag, bytes);
	free(bytes->data);
}

bool fl_recording_create(struct fl_recording_writer *writer, const char *path)
{
	*writer = (struct fl_recording_writer){ .fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) };
	if (writer->fd < 0)
		return false;
	writer->samples = begin_block();
	return true;
}

/* As one would type it. */
static void put_argument(struct fl_bytes *bytes, const char *argument)
{
	bool quoted = *argument == '\0' || strpbrk(argument, " \t\n\"'\\$") != NULL;

	fl_bytes_put(bytes, "'", quoted);
	for (; *argument != '\0'; argument++)
		if (*argument == '\'')
			fl_bytes_put(bytes, "'\\''", 4);
		else
			fl_bytes_put(bytes, argument, 1);
	fl_bytes_put(bytes, "'", quoted);
}

void fl_recording_write_head(struct fl_recording_writer *writer, uint64_t started, uint64_t interval, int pid,
			     char *const *arguments)
{
	struct fl_bytes bytes = begin_block(), command = { NULL, 0, 0 };

	for (size_t i = 0; arguments[i] != NULL; i++) {
		fl_bytes_put(&command, " ", i != 0);
		put_argument(&command, arguments[i]);
	}
	fl_bytes_put(&command, "", 1);
	fl_bytes_put_number(&bytes, FL_RECORDING_VERSION);
	fl_bytes_put_number(&bytes, started);
	fl_bytes_put_number(&bytes, interval);
	fl_bytes_put_number(&bytes, (uint64_t)pid);
	fl_bytes_put_text(&bytes, (const char *)command.data);
	fl_bytes_put_text(&bytes, PACKAGE_STRING);
	write_all(writer, FL_RECORDING_MAGIC, sizeof(FL_RECORDING_MAGIC) - 1);
	end_block(writer, FL_BLOCK_HEAD, &bytes);
	free(command.data);
}

void fl_recording_write_sample(struct fl_recording_writer *writer, uint64_t time, const struct fl_live *live)
{
	struct fl_sample sample = { .time = time };
	struct fl_bytes *bytes = &writer->samples;
	uint64_t changed = 0;

	for (size_t i = 0; i < FL_NCOUNTERS; i++) {
		memcpy(&sample.counters[i], (const char *)live + fl_counter_styles[i].offset, sizeof(uint64_t));
		changed |= (uint64_t)(sample.counters[i] != writer->last.counters[i]) << i;
	}
	fl_bytes_put_number(bytes, time - writer->last.time);
	fl_bytes_put_number(bytes, changed);
	for (size_t i = 0; i < FL_NCOUNTERS; i++)
		if (changed >> i & 1)
			fl_bytes_put_difference(bytes, sample.counters[i], writer->last.counters[i]);
	writer->last = sample;
	if (writer->nsamples++ == 0)
		writer->kept_since = time;
	if (writer->nsamples == NSAMPLES_KEPT || time - writer->kept_since >= SAMPLES_KEPT_MS)
		write_samples(writer);
}

void fl_recording_write_failure(struct fl_recording_writer *writer, uint64_t time, const struct fl_live_failure *failure)
{
	struct fl_bytes bytes = begin_block();

	fl_bytes_put_number(&bytes, failure->number);
	fl_bytes_put_number(&bytes, time);
	fl_bytes_put_number(&bytes, failure->requested);
	fl_bytes_put_number(&bytes, failure->headroom + 1); /* wraps to 0 where it is not known */
	fl_bytes_put_number(&bytes, failure->error);
	fl_bytes_put_text(&bytes, fallow_reason_text((enum fallow_reason)failure->reason));
	end_block(writer, FL_BLOCK_FAILURE, &bytes);
}

static void put_cells(struct fl_bytes *bytes, const struct fl_panel *panel)
{
	fl_bytes_put_number(bytes, panel->ncells);
	for (size_t i = 0, run; i < panel->ncells; i += run) {
		const struct fl_mix *mix = &panel->cells[i];
		uint64_t states = 0;
		for (run = 1; i + run < panel->ncells && memcmp(mix, &panel->cells[i + run], sizeof(*mix)) == 0;)
			run++;
		for (size_t state = 0; state < FL_NSTATES; state++)
			states |= (uint64_t)(mix->bytes[state] != 0) << state;
		fl_bytes_put_number(bytes, run);
		fl_bytes_put_number(bytes, states);
		for (size_t state = 0; state < FL_NSTATES; state++)
			if (states >> state & 1)
				fl_bytes_put_number(bytes, mix->bytes[state]);
	}
}

void fl_recording_write_picture(struct fl_recording_writer *writer, uint64_t time, uint64_t occasions, uint64_t failure,
				const struct fl_picture *picture)
{
	struct fl_bytes bytes = begin_block();

	fl_bytes_put_number(&bytes, time);
	fl_bytes_put_number(&bytes, occasions);
	fl_bytes_put_number(&bytes, failure);
	fl_bytes_put_number(&bytes, picture->ncolumns);
	fl_bytes_put_number(&bytes, picture->npanels);
	for (size_t i = 0; i < picture->npanels; i++) {
		const struct fl_panel *panel = &picture->panels[i];
		fl_bytes_put_text(&bytes, panel->region->name);
		fl_bytes_put_text(&bytes, fl_live_backing(panel->region));
		fl_bytes_put_number(&bytes, panel->region->base);
		fl_bytes_put_number(&bytes, panel->mapped);
		fl_bytes_put_number(&bytes, panel->length);
		fl_bytes_put_number(&bytes, panel->cell);
		fl_bytes_put_number(&bytes, panel->region->is_map);
		put_cells(&bytes, panel);
	}
	end_block(writer, FL_BLOCK_PICTURE, &bytes);
}

void fl_recording_write_process(struct fl_recording_writer *writer, uint64_t time, const char *name)
{
	struct fl_bytes bytes = begin_block();

	fl_bytes_put_number(&bytes, time);
	fl_bytes_put_text(&bytes, name);
	end_block(writer, FL_BLOCK_PROCESS, &bytes);
}

void fl_recording_write_end(struct fl_recording_writer *writer, uint64_t time, enum fl_ending ending, uint64_t status,
			    bool end_seen)
{
	struct fl_bytes bytes = begin_block();

	fl_bytes_put_number(&bytes, time);
	fl_bytes_put_number(&bytes, ending);
	fl_bytes_put_number(&bytes, status);
	fl_bytes_put_number(&bytes, end_seen);
	end_block(writer, FL_BLOCK_END, &bytes);
}

void fl_recording_close(struct fl_recording_writer *writer)
{
	write_samples(writer);
	if (close(writer->fd) != 0 && writer->error == 0)
		writer->error = errno;
	free(writer->samples.data);
}
