/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow record: runs a program on fallow and records what it does with its memory, until it ends.
 *
 * The program is a child. Signals that a terminal sends reach both, and are the program's to answer; those that somebody sends
 * to the recorder are handed on. So the recording always ends with the program.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/launch.h"
#include "cli/recorder.h"
#include "cli/text.h"

#define INTERVAL_MS 10
#define INTERVAL_MOST_MS 60000
#define PLURAL(n) (n), (n) == 1 ? "" : "s"

struct request {
	struct fl_launch launch;
	const char *file; /* NULL: named after program and process */
	uint64_t interval;
};

static volatile pid_t child; /* 0: not yet, or no more */
static struct fl_recorder recorder;

static void hand_on(int signal, siginfo_t *info, void *context)
{
	int error = errno;

	(void)context;
	if (info->si_code <= 0 && child > 0)
		kill(child, signal);
	errno = error;
}

/* The program has ended, maybe just before a wait that would not be interrupted. */
static void wake(int signal)
{
	(void)signal;
	fl_moments_interrupt(&recorder.moments);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'o':
		request->file = argument;
		return 0;
	case 'i':
		if (!fl_number_parse(argument, &request->interval) || request->interval == 0 ||
		    request->interval > INTERVAL_MOST_MS)
			argp_error(state, "--interval=%s: milliseconds are a number from 1 to %d", argument, INTERVAL_MOST_MS);
		return 0;
	default:
		return fl_launch_parse(&request->launch, key, argument, state);
	}
}

static void read_arguments(struct request *request, int argc, char **argv)
{
	struct argp_option options[FL_LAUNCH_NOPTIONS + 3] = {
		{ "output", 'o', "FILE", 0, "the recording; PROGRAM.PID.fallow, if not given", 0 },
		{ "interval", 'i', "MS", 0, "milliseconds between samples; 10, if not given", 0 },
	};
	const struct argp argp = { options, parse, "[--] PROGRAM [ARGUMENT...]",
				   "Run a program on fallow and record what it does with its memory, for fallow report. The "
				   "options of fallow run are taken too.\v"
				   "The exit status is the program's; 125 when the arguments are wrong, or when the program "
				   "ended with 0 and the recording could not be written whole.", NULL, NULL, NULL };

	fl_launch_options(options + 2, OPTION_HIDDEN);
	fl_parse(&argp, argc, argv, FL_STATUS_RUN_USAGE, request);
}

/* Before the program runs; it gets the signals as they were. */
static void catch_signals(void)
{
	static const int handed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_sigaction = hand_on, .sa_flags = SA_SIGINFO };

	for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		sigaction(handed_on[i], &action, NULL);
	action = (struct sigaction){ .sa_handler = wake };
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGXFSZ, SIG_IGN);
}

/*
 * In the child: wait for a byte, the word to begin; there is none when there is nothing to begin. A byte back says that there
 * is no program.
 */
static void become_program(const struct request *request, const int ends[2], const sigset_t *signals, const char *name)
{
	char byte;

	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		_exit(FL_STATUS_RUN_USAGE);
	sigprocmask(SIG_SETMASK, signals, NULL);
	enum fl_status status = fl_launch_execute(&request->launch, name);
	_exit(write(ends[0], "", 1) == 1 ? status : FL_STATUS_RUN_USAGE);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The file, and the word to begin. */
static bool begin(const struct request *request, const char *path, int end, const char *name)
{
	if (!fl_recording_create(&recorder.writer, path)) {
		fprintf(stderr, "%s: %s: %s\n", name, path, strerror(errno));
		return false;
	}
	fl_recording_write_head(&recorder.writer, clock_ms(), request->interval, child, request->launch.program);
	recorder.interval = request->interval;
	fl_recorder_begin(&recorder, child);
	return write(end, "", 1) == 1;
}

/* Until the program has ended; its wait status. */
static int follow(void)
{
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0)
		fl_recorder_go_on(&recorder);
	child = 0;
	if (WIFSIGNALED(status))
		fl_recorder_end(&recorder, FL_ENDED_SIGNAL, (uint64_t)WTERMSIG(status));
	else
		fl_recorder_end(&recorder, FL_ENDED_STATUS, (uint64_t)WEXITSTATUS(status));
	return status;
}

static void say_result(const char *path, const char *name)
{
	if (recorder.writer.error != 0)
		fprintf(stderr, "%s: %s: %s: the recording breaks off, the program went on\n", name, path,
			strerror(recorder.writer.error));
	else if (recorder.nsamples == 0)
		fprintf(stderr, "%s: the program was never seen to run on fallow: it allocated nothing, is static, or has "
			"privileges\n", name);
	else
		fprintf(stderr, "%s: %s: %.1f s, %zu sample%s, %zu map%s, %zu failure%s\n", name, path,
			(double)fl_recorder_time(&recorder) / 1000, PLURAL(recorder.nsamples), PLURAL(recorder.npictures),
			PLURAL(recorder.nfailures));
}

/* End as the program did. */
static int end_like(int status, bool whole)
{
	if (WIFSIGNALED(status)) {
		/* One core is enough. */
		prctl(PR_SET_DUMPABLE, 0);
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		return 128 + WTERMSIG(status);
	}
	return WEXITSTATUS(status) == 0 && !whole ? FL_STATUS_RUN_USAGE : WEXITSTATUS(status);
}

static int record(const struct request *request, const char *name)
{
	sigset_t all, signals;
	char path[PATH_MAX];
	int ends[2];

	/* What comes in between is answered as soon as there is somebody to hand it on to. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &signals);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || (child = fork()) < 0) {
		perror(name);
		return FL_STATUS_RUN_USAGE;
	}
	if (child == 0)
		become_program(request, ends, &signals, name);
	close(ends[0]);
	catch_signals();
	sigprocmask(SIG_SETMASK, &signals, NULL);
	if (request->file != NULL)
		snprintf(path, sizeof(path), "%s", request->file);
	else
		snprintf(path, sizeof(path), "%s.%d.fallow", base_name(request->launch.program[0]), child);
	if (!begin(request, path, ends[1], name)) {
		close(ends[1]);
		waitpid(child, NULL, 0);
		return FL_STATUS_RUN_USAGE;
	}
	int status = follow();
	char byte;
	if (read(ends[1], &byte, 1) == 1)
		unlink(path);
	else
		say_result(path, name);
	return end_like(status, recorder.writer.error == 0);
}

int fl_record(int argc, char **argv)
{
	struct request request = { .interval = INTERVAL_MS };

	if (!fl_launch_begin(&request.launch) || !fl_moments_create(&recorder.moments)) {
		perror(argv[0]);
		return FL_STATUS_RUN_USAGE;
	}
	read_arguments(&request, argc, argv);
	if (!fl_launch_set(&request.launch, argv[0]))
		return FL_STATUS_RUN_USAGE;
	return record(&request, argv[0]);
}
