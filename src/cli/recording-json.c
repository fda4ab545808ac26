/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording as JSON, for scripts and for the page of recording-html.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <fallow/stats.h>

#include "cli/memory.h"
#include "cli/recording-report.h"
#include "cli/text.h"

static const struct {
	enum fl_occasion occasion;
	const char *name;
} occasions[] = {
	{ FL_AT_FAILURE, "failure" }, { FL_AFTER_FAILURE, "after failure" },
	{ FL_AT_END, "end" }, { FL_AT_PEAK, "peak" }, { FL_REGULAR, "regular" },
};

/* The samples that are written, by index. */
struct selection {
	size_t *indices;
	size_t n;
};

static uint64_t height(const struct fl_sample *sample)
{
	return sample->counters[FL_COUNTER_POPULATED] + sample->counters[FL_COUNTER_IN_MAPS];
}

/* Of a stretch, in order of time: its first, its lowest, its highest. */
static void select_from(struct selection *selection, const struct fl_sample *samples, size_t first, size_t end)
{
	size_t low = first, high = first;

	for (size_t i = first; i < end; i++) {
		low = height(&samples[i]) < height(&samples[low]) ? i : low;
		high = height(&samples[i]) > height(&samples[high]) ? i : high;
	}
	size_t earlier = low < high ? low : high, later = low < high ? high : low;
	selection->indices[selection->n++] = first;
	if (earlier != first)
		selection->indices[selection->n++] = earlier;
	if (later != earlier)
		selection->indices[selection->n++] = later;
}

static struct selection select_samples(const struct fl_recording *recording, size_t nmax)
{
	size_t n = recording->nsamples, nstretches = n <= nmax ? n : nmax / 3;
	struct selection selection = { fl_allocate(n, sizeof(size_t)), 0 };

	for (size_t i = 0; i < nstretches; i++)
		select_from(&selection, recording->samples, i * n / nstretches, (i + 1) * n / nstretches);
	/* Where it ends is seen, too. */
	if (n > 0 && selection.indices[selection.n - 1] != n - 1)
		selection.indices[selection.n++] = n - 1;
	return selection;
}

static void write_text(FILE *stream, const char *name, const char *text)
{
	fprintf(stream, ",\"%s\":", name);
	fl_json_write_string(text, stream);
}

static void write_samples(FILE *stream, const struct fl_recording *recording, size_t nmax)
{
	struct selection selection = select_samples(recording, nmax);

	fprintf(stream, ",\"nsamples\":%zu,\"time\":[", recording->nsamples);
	for (size_t i = 0; i < selection.n; i++)
		fprintf(stream, "%s%" PRIu64, i == 0 ? "" : ",", recording->samples[selection.indices[i]].time);
	fputs("],\"counters\":{", stream);
	for (size_t counter = 0; counter < FL_NCOUNTERS; counter++) {
		fprintf(stream, "%s\"%s\":[", counter == 0 ? "" : ",", fl_counter_styles[counter].name);
		for (size_t i = 0; i < selection.n; i++)
			fprintf(stream, "%s%" PRIu64, i == 0 ? "" : ",",
				recording->samples[selection.indices[i]].counters[counter]);
		fputc(']', stream);
	}
	fputc('}', stream);
	free(selection.indices);
}

static void write_failures(FILE *stream, const struct fl_recording *recording)
{
	fputs(",\"failures\":[", stream);
	for (size_t i = 0; i < recording->nfailures; i++) {
		const struct fl_recorded_failure *failure = &recording->failures[i];
		const char *error = failure->error == 0 ? NULL : strerrorname_np((int)failure->error);
		fprintf(stream, "%s{\"number\":%" PRIu64 ",\"time\":%" PRIu64 ",\"requested\":%" PRIu64, i == 0 ? "" : ",",
			failure->number, failure->time, failure->requested);
		if (failure->headroom == FALLOW_HEADROOM_UNKNOWN)
			fputs(",\"headroom\":null", stream);
		else
			fprintf(stream, ",\"headroom\":%" PRIu64, failure->headroom);
		write_text(stream, "reason", failure->reason);
		if (error != NULL)
			write_text(stream, "error", error);
		fputc('}', stream);
	}
	fputc(']', stream);
}

static void write_panel(FILE *stream, const struct fl_recorded_panel *panel)
{
	fprintf(stream, "{\"base\":\"0x%" PRIx64 "\",\"mapped\":%" PRIu64 ",\"length\":%" PRIu64 ",\"cell\":%" PRIu64 ",\"map\":%s",
		panel->base, panel->mapped, panel->length, panel->cell, panel->is_map ? "true" : "false");
	write_text(stream, "name", panel->name);
	write_text(stream, "backing", panel->backing);
	fputs(",\"runs\":[", stream);
	for (size_t i = 0; i < panel->nruns; i++) {
		fprintf(stream, "%s[%" PRIu64, i == 0 ? "" : ",", panel->runs[i].n);
		for (size_t state = 0; state < FL_NSTATES; state++)
			if (panel->runs[i].mix.bytes[state] != 0)
				fprintf(stream, ",%zu,%" PRIu64, state, panel->runs[i].mix.bytes[state]);
		fputc(']', stream);
	}
	fputs("]}", stream);
}

static void write_pictures(FILE *stream, const struct fl_recording *recording)
{
	fputs(",\"pictures\":[", stream);
	for (size_t i = 0; i < recording->npictures; i++) {
		const struct fl_recorded_picture *picture = &recording->pictures[i];
		const char *comma = "";
		fprintf(stream, "%s{\"time\":%" PRIu64 ",\"failure\":%" PRIu64 ",\"ncolumns\":%" PRIu64 ",\"occasions\":[",
			i == 0 ? "" : ",", picture->time, picture->failure, picture->ncolumns);
		for (size_t j = 0; j < sizeof(occasions) / sizeof(occasions[0]); j++) {
			if ((picture->occasions & occasions[j].occasion) == 0)
				continue;
			fprintf(stream, "%s\"%s\"", comma, occasions[j].name);
			comma = ",";
		}
		fputs("],\"panels\":[", stream);
		for (size_t j = 0; j < picture->npanels; j++) {
			fputs(j == 0 ? "" : ",", stream);
			write_panel(stream, &picture->panels[j]);
		}
		fputs("]}", stream);
	}
	fputc(']', stream);
}

static void write_states(FILE *stream)
{
	fputs(",\"states\":[", stream);
	for (size_t state = 0; state < FL_NSTATES; state++)
		fprintf(stream, "%s{\"text\":\"%s\",\"colour\":\"%s\"}", state == 0 ? "" : ",", fl_state_styles[state].text,
			fl_state_styles[state].colour);
	fputc(']', stream);
}

static void write_processes(FILE *stream, const struct fl_recording *recording)
{
	fputs(",\"processes\":[", stream);
	for (size_t i = 0; i < recording->nprocesses; i++) {
		fprintf(stream, "%s{\"time\":%" PRIu64, i == 0 ? "" : ",", recording->processes[i].time);
		write_text(stream, "name", recording->processes[i].name);
		fputc('}', stream);
	}
	fputc(']', stream);
}

static void write_remarks(FILE *stream, const struct fl_recording *recording)
{
	char text[FL_REMARK_LENGTH];

	fputs(",\"remarks\":[", stream);
	for (unsigned int i = 0; fl_recording_remark(recording, i, text, sizeof(text)); i++) {
		fputs(i == 0 ? "" : ",", stream);
		fl_json_write_string(text, stream);
	}
	fputc(']', stream);
}

void fl_recording_json(FILE *stream, const struct fl_recording *recording, size_t nsamples_max)
{
	char text[FL_REMARK_LENGTH];

	fprintf(stream, "{\"pid\":%" PRIu64 ",\"started\":%" PRIu64 ",\"interval\":%" PRIu64 ",\"ended\":%" PRIu64
			",\"end_seen\":%s,\"whole\":%s", recording->pid, recording->started, recording->interval,
		recording->ended, recording->end_seen ? "true" : "false", fl_recording_is_whole(recording) ? "true" : "false");
	write_text(stream, "command", recording->command);
	write_text(stream, "writer", recording->writer);
	fl_recording_describe_end(recording, text, sizeof(text));
	write_text(stream, "end", text);
	write_remarks(stream, recording);
	write_processes(stream, recording);
	write_failures(stream, recording);
	write_samples(stream, recording, nsamples_max);
	write_states(stream);
	write_pictures(stream, recording);
	fputs("}\n", stream);
}
