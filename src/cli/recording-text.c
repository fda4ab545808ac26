/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording as a page of text: peaks, the course of what was populated, failures.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <fallow/stats.h>

#include "cli/recording-report.h"
#include "cli/text.h"

#define COURSE_COLUMNS_MOST 64
#define LABEL_COLUMNS 12
#define NFAILURES_SHOWN 20
#define PLURAL(n) (n), (n) == 1 ? "" : "s"

static const enum fl_counter shown[] = {
	FL_COUNTER_TAKEN, FL_COUNTER_POPULATED, FL_COUNTER_IDLE, FL_COUNTER_RESIDENT,
	FL_COUNTER_IN_MAPS, FL_COUNTER_SPILLED, FL_COUNTER_METADATA,
};

static void print_time(char *text, size_t length, uint64_t time)
{
	snprintf(text, length, "%" PRIu64 ".%03" PRIu64 " s", time / 1000, time % 1000);
}

static void print_head(FILE *stream, const struct fl_recording *recording)
{
	char date[32], end[FL_REMARK_LENGTH], time[32];
	time_t started = (time_t)(recording->started / 1000);

	strftime(date, sizeof(date), "%F %T", localtime(&started));
	fl_recording_describe_end(recording, end, sizeof(end));
	print_time(time, sizeof(time), recording->ended);
	fprintf(stream, "%s\n", recording->command);
	fprintf(stream, "process %" PRIu64 ", started %s, %s after %s\n", recording->pid, date, end, time);
	fprintf(stream, "%zu sample%s, %zu map%s, %zu failure%s\n", PLURAL(recording->nsamples),
		PLURAL(recording->npictures), PLURAL(recording->nfailures));
	for (unsigned int i = 0; fl_recording_remark(recording, i, end, sizeof(end)); i++)
		fprintf(stream, "note: %s\n", end);
}

static void print_peaks(FILE *stream, const struct fl_recording *recording)
{
	const struct fl_sample *first = &recording->samples[0], *last = &recording->samples[recording->nsamples - 1];
	char texts[3][FL_SIZE_LENGTH], time[32];

	fprintf(stream, "\n%-*s %10s %10s %10s  %s\n", LABEL_COLUMNS, "", "FIRST", "LAST", "MOST", "AT");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		uint64_t at, most = fl_recording_peak(recording, shown[i], &at);
		if (most == 0)
			continue;
		print_time(time, sizeof(time), at);
		fprintf(stream, "%-*s %10s %10s %10s  %s\n", LABEL_COLUMNS, fl_counter_styles[shown[i]].name,
			fl_size_print(first->counters[shown[i]], texts[0]),
			fl_size_print(last->counters[shown[i]], texts[1]), fl_size_print(most, texts[2]), time);
	}
}

/* The most that a counter was in each column's time; what was not seen is as it was before. */
static void print_course(FILE *stream, const struct fl_recording *recording, enum fl_counter counter,
			 const struct fl_terminal *terminal)
{
	static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const letters[] = { " ", ".", ".", ":", "-", "=", "+", "*", "#" };
	const char *const *heights = terminal->unicode ? blocks : letters;
	size_t ncolumns = COURSE_COLUMNS_MOST;
	uint64_t at, most = fl_recording_peak(recording, counter, &at), value = 0;

	if (most == 0)
		return;
	while (ncolumns > 8 && ncolumns + LABEL_COLUMNS + 1 > terminal->columns)
		ncolumns /= 2;
	fprintf(stream, "%-*s ", LABEL_COLUMNS, fl_counter_styles[counter].name);
	for (size_t column = 0, i = 0; column < ncolumns; column++) {
		uint64_t until = recording->ended * (column + 1) / ncolumns;
		bool any = false;
		for (; i < recording->nsamples && (recording->samples[i].time <= until || column + 1 == ncolumns); i++) {
			uint64_t next = recording->samples[i].counters[counter];
			value = any && value > next ? value : next;
			any = true;
		}
		size_t height = (size_t)((double)value / (double)most * 8 + 0.5);
		fputs(heights[height == 0 && value > 0 ? 1 : height], stream);
	}
	fputc('\n', stream);
}

static void print_failures(FILE *stream, const struct fl_recording *recording)
{
	char time[32], requested[FL_SIZE_LENGTH], headroom[FL_SIZE_LENGTH];

	if (recording->nfailures == 0)
		return;
	fprintf(stream, "\n%-12s %9s %9s  %s\n", "FAILED AT", "ASKED", "LEFT", "WHY");
	for (size_t i = 0; i < recording->nfailures && i < NFAILURES_SHOWN; i++) {
		const struct fl_recorded_failure *failure = &recording->failures[i];
		print_time(time, sizeof(time), failure->time);
		fprintf(stream, "%-12s %9s %9s  %s", time, fl_size_print(failure->requested, requested),
			failure->headroom == FALLOW_HEADROOM_UNKNOWN ? "-" : fl_size_print(failure->headroom, headroom),
			failure->reason);
		if (failure->error != 0)
			fprintf(stream, " (%s)", strerrordesc_np((int)failure->error));
		fputc('\n', stream);
	}
	if (recording->nfailures > NFAILURES_SHOWN)
		fprintf(stream, "and %zu more\n", recording->nfailures - NFAILURES_SHOWN);
}

void fl_recording_text(FILE *stream, const struct fl_recording *recording, const struct fl_terminal *terminal)
{
	print_head(stream, recording);
	if (recording->nsamples > 0) {
		print_peaks(stream, recording);
		fputc('\n', stream);
		print_course(stream, recording, FL_COUNTER_POPULATED, terminal);
		print_course(stream, recording, FL_COUNTER_TAKEN, terminal);
		print_course(stream, recording, FL_COUNTER_IN_MAPS, terminal);
	}
	print_failures(stream, recording);
}
