/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a recording.
 *
 * Blocks do without each other, so one that is damaged costs what is in it: reading goes on with the next place where a
 * whole block begins.
 */
#include "cli/recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fallow/stats.h>

#include "cli/bytes.h"

#define NCELLS_MAX ((uint64_t)1 << 20)
#define MAGIC_LENGTH (sizeof(FL_RECORDING_MAGIC) - 1)

#define COUNTER(counter, text, member) [counter] = { text, offsetof(struct fl_live, member) }

const struct fl_counter_style fl_counter_styles[FL_NCOUNTERS] = {
	COUNTER(FL_COUNTER_TAKEN, "taken", taken),
	COUNTER(FL_COUNTER_POPULATED, "populated", populated),
	COUNTER(FL_COUNTER_IDLE, "idle", idle),
	COUNTER(FL_COUNTER_RESIDENT, "resident", resident),
	COUNTER(FL_COUNTER_IN_MAPS, "in_maps", in_maps),
	COUNTER(FL_COUNTER_SPILLED, "spilled", spilled),
	COUNTER(FL_COUNTER_METADATA, "metadata", metadata),
	COUNTER(FL_COUNTER_LARGE, "large", large),
	COUNTER(FL_COUNTER_NLARGE, "nlarge", nlarge),
	COUNTER(FL_COUNTER_NSLABS, "nslabs", nslabs),
	COUNTER(FL_COUNTER_NPOPULATES, "npopulates", npopulates),
	COUNTER(FL_COUNTER_NDISCARDS, "ndiscards", ndiscards),
	COUNTER(FL_COUNTER_NFAILURES, "nfailures", nfailures),
	COUNTER(FL_COUNTER_NCACHES, "ncaches", ncaches),
};

/* Room for one element more in an array of n, which grows by doubling. */
static void *grow(void *elements, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return elements;
	elements = reallocarray(elements, n == 0 ? 1 : 2 * n, size);
	if (elements == NULL)
		abort();
	return elements;
}

#define APPEND(array, n) ((array) = grow((array), (n), sizeof(*(array))), &(array)[(n)++])

static uint32_t word_at(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Of a block that ends too early nothing is kept, but for whole samples. */

/* The cursor of a head is its payload, after the version. */
static void read_head(struct fl_recording *recording, struct fl_cursor *cursor)
{
	free(recording->command);
	free(recording->writer);
	recording->started = fl_cursor_number(cursor);
	recording->interval = fl_cursor_number(cursor);
	recording->pid = fl_cursor_number(cursor);
	recording->command = fl_cursor_text(cursor);
	recording->writer = fl_cursor_text(cursor);
}

static void read_samples(struct fl_recording *recording, struct fl_cursor *cursor)
{
	struct fl_sample sample = { 0 };

	while (cursor->at < cursor->end) {
		sample.time += fl_cursor_number(cursor);
		uint64_t changed = fl_cursor_number(cursor);
		for (size_t i = 0; i < 64; i++) {
			uint64_t before = i < FL_NCOUNTERS ? sample.counters[i] : 0;
			if (changed >> i & 1)
				before = fl_cursor_difference(cursor, before);
			if (i < FL_NCOUNTERS)
				sample.counters[i] = before;
		}
		if (cursor->failed)
			return;
		*APPEND(recording->samples, recording->nsamples) = sample;
	}
}

static void read_failure(struct fl_recording *recording, struct fl_cursor *cursor)
{
	struct fl_recorded_failure failure = { .number = fl_cursor_number(cursor) };

	failure.time = fl_cursor_number(cursor);
	failure.requested = fl_cursor_number(cursor);
	failure.headroom = fl_cursor_number(cursor) - 1;
	failure.error = fl_cursor_number(cursor);
	failure.reason = fl_cursor_text(cursor);
	if (cursor->failed)
		free(failure.reason);
	else
		*APPEND(recording->failures, recording->nfailures) = failure;
}

static void read_cells(struct fl_recorded_panel *panel, struct fl_cursor *cursor)
{
	uint64_t ncells = fl_cursor_number(cursor);

	if (ncells > NCELLS_MAX)
		cursor->failed = true;
	for (uint64_t n = 0; n < ncells && !cursor->failed;) {
		struct fl_run_of_cells run = { .n = fl_cursor_number(cursor) };
		uint64_t states = fl_cursor_number(cursor);
		for (size_t state = 0; state < 64; state++) {
			uint64_t bytes = states >> state & 1 ? fl_cursor_number(cursor) : 0;
			if (state < FL_NSTATES)
				run.mix.bytes[state] = bytes;
		}
		if (run.n == 0 || run.n > ncells - n)
			cursor->failed = true;
		n += run.n;
		*APPEND(panel->runs, panel->nruns) = run;
	}
}

static void destroy_picture(struct fl_recorded_picture *picture)
{
	for (size_t i = 0; i < picture->npanels; i++) {
		free(picture->panels[i].name);
		free(picture->panels[i].backing);
		free(picture->panels[i].runs);
	}
	free(picture->panels);
}

static void read_picture(struct fl_recording *recording, struct fl_cursor *cursor)
{
	struct fl_recorded_picture picture = { .time = fl_cursor_number(cursor) };

	picture.occasions = fl_cursor_number(cursor);
	picture.failure = fl_cursor_number(cursor);
	picture.ncolumns = fl_cursor_number(cursor);
	uint64_t npanels = fl_cursor_number(cursor);
	while (picture.npanels < npanels && !cursor->failed) {
		struct fl_recorded_panel *panel = APPEND(picture.panels, picture.npanels);
		*panel = (struct fl_recorded_panel){ .name = fl_cursor_text(cursor) };
		panel->backing = fl_cursor_text(cursor);
		panel->base = fl_cursor_number(cursor);
		panel->mapped = fl_cursor_number(cursor);
		panel->length = fl_cursor_number(cursor);
		panel->cell = fl_cursor_number(cursor);
		panel->is_map = fl_cursor_number(cursor) != 0;
		read_cells(panel, cursor);
	}
	if (cursor->failed)
		destroy_picture(&picture);
	else
		*APPEND(recording->pictures, recording->npictures) = picture;
}

static void read_process(struct fl_recording *recording, struct fl_cursor *cursor)
{
	struct fl_recorded_process process = { .time = fl_cursor_number(cursor) };

	process.name = fl_cursor_text(cursor);
	if (cursor->failed)
		free(process.name);
	else
		*APPEND(recording->processes, recording->nprocesses) = process;
}

static void read_end(struct fl_recording *recording, struct fl_cursor *cursor)
{
	uint64_t ended = fl_cursor_number(cursor), ending = fl_cursor_number(cursor), status = fl_cursor_number(cursor);
	bool seen = fl_cursor_number(cursor) != 0;

	if (cursor->failed)
		return;
	recording->ended = ended;
	recording->ending = ending == FL_ENDED_SIGNAL ? FL_ENDED_SIGNAL : FL_ENDED_STATUS;
	recording->status = status;
	recording->end_seen = seen;
}

static const struct {
	const char *tag;
	void (*read)(struct fl_recording *recording, struct fl_cursor *cursor);
} kinds[] = {
	{ FL_BLOCK_SAMPLES, read_samples }, { FL_BLOCK_FAILURE, read_failure }, { FL_BLOCK_PICTURE, read_picture },
	{ FL_BLOCK_PROCESS, read_process }, { FL_BLOCK_END, read_end },
};

/* Bytes of the whole block that begins here, 0: none does. */
static size_t block_at(const uint8_t *at, size_t left)
{
	if (left < FL_BLOCK_HEADER)
		return 0;
	for (size_t i = 0; i < 4; i++)
		if (at[i] < ' ' || at[i] > '~')
			return 0;
	uint32_t length = word_at(at + 4);
	if (length > FL_BLOCK_MAX || length > left - FL_BLOCK_HEADER ||
	    fl_checksum(fl_checksum(0, at, 8), at + FL_BLOCK_HEADER, length) != word_at(at + 8))
		return 0;
	return FL_BLOCK_HEADER + length;
}

/* Blocks of a kind that this command does not know are passed over. */
static void read_block(struct fl_recording *recording, const uint8_t *block, size_t length)
{
	struct fl_cursor cursor = { block + FL_BLOCK_HEADER, block + length, false };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (memcmp(block, kinds[i].tag, 4) == 0)
			kinds[i].read(recording, &cursor);
	if (cursor.failed)
		recording->ndamaged += length;
}

static void read_blocks(struct fl_recording *recording, const uint8_t *at, size_t left)
{
	uint64_t passed = 0;

	while (left > 0) {
		size_t length = block_at(at, left);
		if (length != 0) {
			recording->ndamaged += passed;
			passed = 0;
			read_block(recording, at, length);
		} else {
			passed++;
			length = 1;
		}
		at += length;
		left -= length;
	}
	recording->ntorn = passed;
}

static bool refuse(const char *name, const char *path, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", name, path, why);
	return false;
}

/* The whole file, which is malloc's; NULL with errno. */
static uint8_t *read_file(const char *path, size_t *length)
{
	struct fl_bytes bytes = { NULL, 0, 0 };
	FILE *file = fopen(path, "re");
	char chunk[65536];
	size_t n;

	if (file == NULL)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		fl_bytes_put(&bytes, chunk, n);
	int error = ferror(file) ? errno : 0;
	fclose(file);
	fl_bytes_put(&bytes, "", 1);
	*length = bytes.length - 1;
	if (error == 0)
		return bytes.data;
	free(bytes.data);
	errno = error;
	return NULL;
}

static bool read_all(struct fl_recording *recording, const uint8_t *data, size_t length, const char *path, const char *name)
{
	if (length < MAGIC_LENGTH || memcmp(data, FL_RECORDING_MAGIC, MAGIC_LENGTH) != 0)
		return refuse(name, path, length == 0 ? "is empty" : "is no recording of fallow record");
	data += MAGIC_LENGTH;
	length -= MAGIC_LENGTH;
	size_t head = block_at(data, length);
	if (head == 0 || memcmp(data, FL_BLOCK_HEAD, 4) != 0)
		return refuse(name, path, "is cut off or damaged where it begins");
	struct fl_cursor cursor = { data + FL_BLOCK_HEADER, data + head, false };
	if (fl_cursor_number(&cursor) != FL_RECORDING_VERSION)
		return refuse(name, path, "is of another version of fallow, which this command does not know");
	read_head(recording, &cursor);
	read_blocks(recording, data + head, length - head);
	return true;
}

/* Where the recording was cut off, its end is the last time in it. */
static void find_end(struct fl_recording *recording)
{
	uint64_t last = recording->nsamples > 0 ? recording->samples[recording->nsamples - 1].time : 0;

	if (recording->ending == FL_ENDED_NOT && recording->ended < last)
		recording->ended = last;
}

bool fl_recording_read(struct fl_recording *recording, const char *path, const char *name)
{
	size_t length;
	uint8_t *data = read_file(path, &length);

	*recording = (struct fl_recording){ 0 };
	if (data == NULL)
		return refuse(name, path, strerror(errno));
	bool read = read_all(recording, data, length, path, name);
	free(data);
	find_end(recording);
	return read;
}

void fl_recording_destroy(struct fl_recording *recording)
{
	for (size_t i = 0; i < recording->npictures; i++)
		destroy_picture(&recording->pictures[i]);
	for (size_t i = 0; i < recording->nfailures; i++)
		free(recording->failures[i].reason);
	for (size_t i = 0; i < recording->nprocesses; i++)
		free(recording->processes[i].name);
	free(recording->pictures);
	free(recording->failures);
	free(recording->processes);
	free(recording->samples);
	free(recording->command);
	free(recording->writer);
}

bool fl_recording_is_whole(const struct fl_recording *recording)
{
	return recording->ending != FL_ENDED_NOT && recording->ndamaged == 0 && recording->ntorn == 0;
}

uint64_t fl_recording_peak(const struct fl_recording *recording, enum fl_counter counter, uint64_t *time)
{
	uint64_t peak = 0;

	*time = 0;
	for (size_t i = 0; i < recording->nsamples; i++) {
		if (recording->samples[i].counters[counter] <= peak)
			continue;
		peak = recording->samples[i].counters[counter];
		*time = recording->samples[i].time;
	}
	return peak;
}

void fl_recording_describe_end(const struct fl_recording *recording, char *text, size_t length)
{
	const char *signal;

	switch (recording->ending) {
	case FL_ENDED_STATUS:
		snprintf(text, length, "ended with status %llu", (unsigned long long)recording->status);
		return;
	case FL_ENDED_SIGNAL:
		signal = sigabbrev_np((int)recording->status);
		snprintf(text, length, "was ended by SIG%s", signal != NULL ? signal : "?");
		return;
	default:
		snprintf(text, length, "went on when the recording broke off");
	}
}

bool fl_recording_remark(const struct fl_recording *recording, unsigned int i, char *text, size_t length)
{
	uint64_t last = recording->nsamples > 0 ? recording->samples[recording->nsamples - 1].time : 0;
	uint64_t nfailures = recording->nsamples > 0 ?
				     recording->samples[recording->nsamples - 1].counters[FL_COUNTER_NFAILURES] : 0;
	unsigned int n = 0;

	*text = '\0';
	if (recording->ndamaged != 0 && n++ == i)
		snprintf(text, length, "%llu bytes of the recording are damaged and left out",
			 (unsigned long long)recording->ndamaged);
	if (recording->ntorn != 0 && n++ == i)
		snprintf(text, length, "the last %llu bytes of the recording are damaged, or of a block that was cut off",
			 (unsigned long long)recording->ntorn);
	if (recording->ending == FL_ENDED_NOT && n++ == i)
		snprintf(text, length, "the recording breaks off: fallow record was killed, or the disk was full");
	if (recording->nprocesses == 0 && n++ == i)
		snprintf(text, length, "the program was never seen to run on fallow");
	if (recording->nprocesses > 1 && n++ == i)
		snprintf(text, length, "the process became another program %zu time%s, and its counters began anew",
			 recording->nprocesses - 1, recording->nprocesses == 2 ? "" : "s");
	if (recording->nprocesses != 0 && recording->ending != FL_ENDED_NOT && !recording->end_seen && n++ == i)
		snprintf(text, length, "the last %llu ms were not seen: the program did not end by exit(3)",
			 (unsigned long long)(recording->ended - last));
	if (recording->nprocesses == 1 && nfailures > recording->nfailures && n++ == i)
		snprintf(text, length, "of %llu failures, %zu could be read before newer ones took their place",
			 (unsigned long long)nfailures, recording->nfailures);
	return i < n;
}
