/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to look, and at what.
 */
#include "cli/recorder.h"

#include <time.h>

#define SHARE 50              /* one of so many milliseconds may be spent looking */
#define ATTEMPTS_MS 5         /* between attempts to find fallow in a process that does not call */
#define ATTEMPTS_MOST_MS 1000
#define WAIT_MOST_MS 1000
#define REGULAR_MS 1000       /* between pictures at first, by their occasion */
#define PEAKS_MS 100
#define FAILURES_MS 20
#define NPICTURES_DENSE 64    /* after so many of an occasion the next come half as often */
#define PEAK_PART 8           /* a new peak is an eighth above the one before, */
#define PEAK_LEAST ((uint64_t)1 << 20) /* and so many bytes */
#define COLUMNS 128
#define ROWS 24

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t fl_recorder_time(const struct fl_recorder *recorder)
{
	return read_clock(CLOCK_MONOTONIC) / 1000 - recorder->begun;
}

static void pace_hold(struct fl_pace *pace, uint64_t until)
{
	pace->next = pace->next > until ? pace->next : until;
}

/* It is being done now. */
static void pace_step(struct fl_pace *pace, uint64_t now)
{
	pace->next = now + pace->spacing;
	if (++pace->n % NPICTURES_DENSE == 0)
		pace->spacing *= 2;
}

/* For how many milliseconds nothing of the kind may follow what began when so much processor time had been used, microseconds. */
static uint64_t rest_after(uint64_t before)
{
	return (read_clock(CLOCK_PROCESS_CPUTIME_ID) - before) * SHARE / 1000;
}

static void detach(struct fl_recorder *recorder)
{
	if (recorder->open)
		fl_process_close(&recorder->process);
	recorder->open = false;
	recorder->waits = false;
}

/* It may be the same program still, as when it was found before it called for its start. */
static void note_program(struct fl_recorder *recorder, uint64_t now)
{
	const struct fallow_live *live = &recorder->process.live;

	if (live->self == recorder->program && live->started_ms == recorder->started_ms)
		return;
	recorder->program = live->self;
	recorder->started_ms = live->started_ms;
	recorder->last_failure = 0;
	recorder->end_seen = false;
	fl_recording_write_process(&recorder->writer, now, recorder->process.command);
}

static bool attach(struct fl_recorder *recorder, uint64_t now)
{
	struct fl_pace *attempts = &recorder->attempts;

	if (recorder->open)
		return true;
	recorder->open = fl_process_try(&recorder->process, recorder->pid);
	attempts->spacing = recorder->open ? ATTEMPTS_MS : 2 * attempts->spacing;
	attempts->spacing = attempts->spacing < ATTEMPTS_MOST_MS ? attempts->spacing : ATTEMPTS_MOST_MS;
	attempts->next = now + attempts->spacing;
	if (recorder->open)
		note_program(recorder, now);
	return recorder->open;
}

/* Failures that are new, the oldest first. Returns the number of the last, 0: none is. */
static uint64_t write_failures(struct fl_recorder *recorder)
{
	const struct fl_live *live = &recorder->live;
	uint64_t last = 0;

	for (size_t i = live->nfailures_kept; i-- > 0;) {
		const struct fl_live_failure *failure = &live->failures[i];
		if (failure->number <= recorder->last_failure)
			continue;
		uint64_t time = failure->time_ms > recorder->begun ? failure->time_ms - recorder->begun : 0;
		fl_recording_write_failure(&recorder->writer, time, failure);
		recorder->last_failure = last = failure->number;
		recorder->nfailures++;
	}
	return last;
}

static uint64_t held(const struct fl_live *live)
{
	return live->populated + live->in_maps;
}

static bool is_peak(const struct fl_recorder *recorder)
{
	uint64_t step = recorder->peak / PEAK_PART;

	return held(&recorder->live) >= recorder->peak + (step > PEAK_LEAST ? step : PEAK_LEAST);
}

/* What a picture is to be taken for now; enum fl_occasion, 0: nothing. */
static uint64_t occasions(const struct fl_recorder *recorder, uint32_t moments, bool failed, uint64_t now)
{
	uint64_t all = 0;

	if (moments & FALLOW_MOMENT_FAILURE)
		all |= FL_AT_FAILURE;
	else if (failed && !recorder->waits && now >= recorder->failures.next)
		all |= FL_AFTER_FAILURE;
	if (moments & FALLOW_MOMENT_END)
		all |= FL_AT_END;
	if (now >= recorder->peaks.next && is_peak(recorder))
		all |= FL_AT_PEAK;
	if (now >= recorder->regular.next)
		all |= FL_REGULAR;
	return all;
}

static void take_picture(struct fl_recorder *recorder, uint64_t all, uint64_t failure, uint64_t now)
{
	uint64_t before = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	struct fl_picture picture;

	if (fl_picture_take(&picture, &recorder->process, &recorder->live, COLUMNS, ROWS)) {
		fl_recording_write_picture(&recorder->writer, now, all, failure, &picture);
		recorder->npictures++;
		recorder->peak = held(&recorder->live) > recorder->peak ? held(&recorder->live) : recorder->peak;
	}
	fl_picture_destroy(&picture);
	uint64_t rest = rest_after(before);
	if (all & FL_REGULAR)
		pace_step(&recorder->regular, now);
	if (all & FL_AT_PEAK)
		pace_step(&recorder->peaks, now);
	if (all & (FL_AT_FAILURE | FL_AFTER_FAILURE)) {
		pace_step(&recorder->failures, now);
		pace_hold(&recorder->failures, now + rest);
	}
	/* Any picture will do for a regular one. None keeps a failure from its own: there is a peak before many. */
	pace_hold(&recorder->regular, now + recorder->regular.spacing);
	pace_hold(&recorder->regular, now + rest);
	pace_hold(&recorder->peaks, now + rest);
}

static void look(struct fl_recorder *recorder, uint32_t moments)
{
	uint64_t now = fl_recorder_time(recorder), before = read_clock(CLOCK_PROCESS_CPUTIME_ID);

	if (moments & FALLOW_MOMENT_START)
		detach(recorder);
	recorder->waits |= moments != 0;
	if (!attach(recorder, now))
		return;
	if (!fl_live_read(&recorder->live, &recorder->process)) {
		detach(recorder);
		return;
	}
	fl_recording_write_sample(&recorder->writer, now, &recorder->live);
	recorder->nsamples++;
	recorder->next_sample = now + recorder->interval;
	if (rest_after(before) > recorder->interval)
		recorder->next_sample = now + rest_after(before);
	uint64_t failure = write_failures(recorder);
	uint64_t all = occasions(recorder, moments, failure != 0, now);
	if (moments & FALLOW_MOMENT_FAILURE)
		failure = fl_moments_failure(&recorder->moments);
	if (all != 0)
		take_picture(recorder, all, all & (FL_AT_FAILURE | FL_AFTER_FAILURE) ? failure : 0, now);
	recorder->end_seen |= (moments & FALLOW_MOMENT_END) != 0;
}

void fl_recorder_begin(struct fl_recorder *recorder, int pid)
{
	recorder->pid = pid;
	recorder->begun = read_clock(CLOCK_MONOTONIC) / 1000;
	recorder->attempts.spacing = ATTEMPTS_MS;
	recorder->regular.spacing = recorder->regular.next = REGULAR_MS;
	recorder->peaks.spacing = PEAKS_MS;
	recorder->failures.spacing = FAILURES_MS;
	fl_moments_expect(&recorder->moments, pid);
}

/* When something is to be done without being asked. */
static uint64_t next_time(const struct fl_recorder *recorder, uint64_t now)
{
	uint64_t next = recorder->open ? recorder->next_sample : recorder->attempts.next;

	/* With a full disk all there is to do is not to keep the process waiting. */
	if (recorder->writer.error != 0)
		return UINT64_MAX;
	/* From then on failures are wanted again. */
	return recorder->failures.next > now && recorder->failures.next < next ? recorder->failures.next : next;
}

void fl_recorder_go_on(struct fl_recorder *recorder)
{
	uint64_t now = fl_recorder_time(recorder), next = next_time(recorder, now);
	uint64_t wait = next > now ? next - now : 0;
	uint32_t moments = fl_moments_wait(&recorder->moments, wait < WAIT_MOST_MS ? wait : WAIT_MOST_MS);

	now = fl_recorder_time(recorder);
	if (recorder->writer.error == 0 && (moments != 0 || now >= next))
		look(recorder, moments);
	bool wants = recorder->writer.error == 0 && now >= recorder->failures.next;
	fl_moments_want(&recorder->moments, wants ? FALLOW_MOMENT_FAILURE : 0);
	fl_moments_answer(&recorder->moments);
}

void fl_recorder_end(struct fl_recorder *recorder, enum fl_ending ending, uint64_t status)
{
	detach(recorder);
	fl_live_destroy(&recorder->live);
	fl_recording_write_end(&recorder->writer, fl_recorder_time(recorder), ending, status, recorder->end_seen);
	fl_recording_close(&recorder->writer);
}
