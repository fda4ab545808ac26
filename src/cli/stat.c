/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow stat: what a running process has allocated, read from outside, once or again and again.
 */
#include "cli/stat.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/text.h"

#define INTERVAL_MOST 86400

enum { KEY_JSON = FL_KEY_FIRST, KEY_PROMETHEUS };

enum form {
	SCREEN,
	JSON,
	PROMETHEUS,
};

struct request {
	enum form form;
	int pid;
	uint64_t interval; /* seconds, 0: once */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'w':
		request->interval = 1;
		if (argument != NULL && (!fl_number_parse(argument, &request->interval) || request->interval == 0 ||
					 request->interval > INTERVAL_MOST))
			argp_error(state, "--watch=%s: seconds are a number from 1 to %d", argument, INTERVAL_MOST);
		return 0;
	case KEY_JSON:
		request->form = JSON;
		return 0;
	case KEY_PROMETHEUS:
		request->form = PROMETHEUS;
		return 0;
	default:
		return fl_process_argument(key, argument, state, &request->pid);
	}
}

/* One page. False when stdout takes no more. */
static bool show(const struct request *request, const struct fl_process *process, const struct fl_live *live,
		 const struct fl_live *before)
{
	struct fl_terminal terminal;
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return false;
	fl_terminal_look(&terminal);
	switch (request->form) {
	case SCREEN:
		fl_stat_screen(stream, process, live, before, &terminal);
		break;
	case JSON:
		fl_stat_json(stream, process, live);
		break;
	case PROMETHEUS:
		fl_stat_prometheus(stream, process, live);
		break;
	}
	fclose(stream);
	bool refreshes = request->interval != 0 && request->form == SCREEN && terminal.is_terminal;
	/* What a program reads is not cut. */
	terminal.is_terminal = terminal.is_terminal && request->form == SCREEN;
	bool taken = fl_terminal_page(&terminal, text, refreshes);
	free(text);
	return taken;
}

/* Until the process ends, or the user has enough. */
static enum fl_status watch(const struct request *request, const struct fl_process *process, const char *name)
{
	struct fl_live two[2] = { { 0 }, { 0 } };
	enum fl_status status = FL_STATUS_OK;

	for (size_t i = 0; !stopped; i++) {
		struct fl_live *live = &two[i % 2], *before = i == 0 ? NULL : &two[(i + 1) % 2];
		if (!fl_live_read(live, process)) {
			fprintf(stderr, "%s: process %d has ended\n", name, process->pid);
			status = FL_STATUS_NO;
			break;
		}
		if (!show(request, process, live, before)) {
			status = FL_STATUS_NO;
			break;
		}
		if (request->interval == 0)
			break;
		poll(NULL, 0, (int)request->interval * 1000);
	}
	fl_live_destroy(&two[0]);
	fl_live_destroy(&two[1]);
	return status;
}

int fl_stat(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL, "go on, once a second or as told", 0 },
		{ "json", KEY_JSON, NULL, 0, "write JSON, one object a line", 0 },
		{ "prometheus", KEY_PROMETHEUS, NULL, 0, "write Prometheus's text exposition", 0 },
		{ 0 }
	};
	static const struct argp argp = { options, parse, "PID",
					  "Say what a running process has allocated on fallow, and why it was refused what it "
					  "was not given. The process goes on meanwhile.\v"
					  "The exit status is 1 when there is no such process, it is somebody else's, it does "
					  "not run on fallow, or it ends while it is watched.", NULL, NULL, NULL };
	struct request request = { SCREEN, 0, 0 };
	struct fl_process process;

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &request);
	if (!fl_process_open(&process, request.pid, argv[0]))
		return FL_STATUS_NO;
	if (request.interval != 0) {
		const struct sigaction action = { .sa_handler = stop };
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
	}
	enum fl_status status = watch(&request, &process, argv[0]);
	fl_process_close(&process);
	return status;
}
