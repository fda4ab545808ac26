/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow run: a program with libfallow-malloc preloaded and its options in FALLOW_CONF.
 *
 * The options are those of the library itself (fallow_option_at()), and the library says whether it takes a value, before
 * the program starts. What FALLOW_CONF and LD_PRELOAD have already stays: a later setting of an option overrules an
 * earlier one. The library is looked for beside the one that this command runs on, so that a build tree, an installation
 * and one that was moved all find their own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fallow/options.h>

#include "cli/cli.h"

#define LIBRARY "libfallow-malloc.so." FALLOW_SOVERSION
#define NOPTIONS_MAX 64

enum { KEY_VERBOSE = 'v', KEY_OPTION = FL_KEY_FIRST /* and on: the index of the library's option */ };

struct run {
	FILE *conf; /* writes what FALLOW_CONF will be */
	bool verbose;
	char **program;
};

static bool is_word(const char *values)
{
	return strpbrk(values, " ,") == NULL;
}

/* The library's options as argp wants them; ours come last. */
static void list_options(struct argp_option *options)
{
	const struct fallow_option *option;
	size_t n = 0;

	for (; n < NOPTIONS_MAX && (option = fallow_option_at(n)) != NULL; n++) {
		options[n].name = option->name;
		options[n].key = KEY_OPTION + (int)n;
		options[n].arg = is_word(option->values) ? option->values : "VALUE";
		options[n].doc = option->help;
	}
	options[n] = (struct argp_option){ "verbose", KEY_VERBOSE, NULL, 0, "say on stderr what is set", -1 };
}

static void set_option(struct run *run, const struct fallow_option *option, const char *value, struct argp_state *state)
{
	/* A value that was taken for good when this process began, as under another fallow run, was a good one too. */
	int result = fallow_option_set(option->name, value);

	if (result != 0 && result != -EBUSY)
		argp_error(state, "--%s=%s: bad value '%s'; allowed: %s", option->name, value, value, option->values);
	fprintf(run->conf, "%s%s:%s", ftell(run->conf) > 0 ? "," : "", option->name, value);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct run *run = state->input;

	if (key >= KEY_OPTION && key < KEY_OPTION + NOPTIONS_MAX) {
		set_option(run, fallow_option_at((size_t)(key - KEY_OPTION)), argument, state);
		return 0;
	}
	switch (key) {
	case KEY_VERBOSE:
		run->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		run->program = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no program given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The library in the directory, as an absolute path; false when it is not there. */
static bool find_in(const char *directory, char path[PATH_MAX])
{
	char *real = realpath(directory, NULL);
	bool found = real != NULL && snprintf(path, PATH_MAX, "%s/" LIBRARY, real) < PATH_MAX && access(path, R_OK) == 0;

	free(real);
	return found;
}

static bool find_library(char path[PATH_MAX])
{
	Dl_info running;
	char directory[PATH_MAX];

	if (dladdr((void *)fallow_option_at, &running) != 0 && strchr(running.dli_fname, '/') != NULL &&
	    strlen(running.dli_fname) < sizeof(directory)) {
		strcpy(directory, running.dli_fname);
		*strrchr(directory, '/') = '\0';
		if (find_in(directory, path))
			return true;
	}
	return find_in(FALLOW_LIBDIR, path);
}

/* Whether a list as LD_PRELOAD has it holds the path. */
static bool has_path(const char *list, const char *path)
{
	size_t length = strlen(path);

	for (const char *at = list; (at = strstr(at, path)) != NULL; at += length)
		if ((at == list || strchr(": ", at[-1]) != NULL) && strchr(": ", at[length]) != NULL)
			return true;
	return false;
}

/* Ours comes first: which malloc a program has is the first one's to say. */
static int set_preload(const char *library)
{
	const char *had = getenv("LD_PRELOAD");
	char *list;

	if (had == NULL || *had == '\0')
		return setenv("LD_PRELOAD", library, 1);
	if (has_path(had, library))
		return 0;
	if (asprintf(&list, "%s:%s", library, had) < 0)
		return -1;
	int result = setenv("LD_PRELOAD", list, 1);
	free(list);
	return result;
}

/* False with a line on stderr when there is no library to preload, or it cannot be named. */
static bool set_library(const char *name)
{
	char library[PATH_MAX];

	if (!find_library(library)) {
		fprintf(stderr, "%s: no " LIBRARY " beside this command's library nor in " FALLOW_LIBDIR "\n", name);
		return false;
	}
	if (strpbrk(library, ": ") != NULL) {
		fprintf(stderr, "%s: '%s' has a space or colon, which LD_PRELOAD cannot hold\n", name, library);
		return false;
	}
	if (set_preload(library) != 0) {
		perror(name);
		return false;
	}
	return true;
}

/* Read the arguments; the result is what FALLOW_CONF will be, malloc's, or NULL for want of memory. */
static char *read_arguments(struct run *run, int argc, char **argv)
{
	struct argp_option options[NOPTIONS_MAX + 2] = { 0 };
	const struct argp argp = { options, parse, "[--] PROGRAM [ARGUMENT...]",
				   "Run a program on fallow; fallow-run(1) has more about each option.", NULL, NULL, NULL };
	const char *had = getenv("FALLOW_CONF");
	char *conf = NULL;
	size_t length;

	run->conf = open_memstream(&conf, &length);
	if (run->conf == NULL)
		return NULL;
	if (had != NULL)
		fputs(had, run->conf);
	list_options(options);
	fl_parse(&argp, argc, argv, FL_STATUS_RUN_USAGE, run);
	return fclose(run->conf) == 0 ? conf : NULL;
}

int fl_run(int argc, char **argv)
{
	struct run run = { 0 };
	char *conf = read_arguments(&run, argc, argv);

	if (conf == NULL || (*conf != '\0' && setenv("FALLOW_CONF", conf, 1) != 0)) {
		perror(argv[0]);
		return FL_STATUS_RUN_USAGE;
	}
	bool found = set_library(argv[0]);
	if (found && run.verbose)
		fprintf(stderr, "%s: LD_PRELOAD=%s FALLOW_CONF=%s\n", argv[0], getenv("LD_PRELOAD"), conf);
	free(conf);
	if (!found)
		return FL_STATUS_RUN_USAGE;
	execvp(run.program[0], run.program);
	int error = errno;
	fprintf(stderr, "%s: %s: %s\n", argv[0], run.program[0], strerror(error));
	return error == ENOENT ? FL_STATUS_NOT_FOUND : FL_STATUS_CANNOT_EXECUTE;
}
