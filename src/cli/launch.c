/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Setting options and the library.
 */
#include "cli/launch.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fallow/options.h>

#define LIBRARY "libfallow-malloc.so." FALLOW_SOVERSION

enum { KEY_VERBOSE = 'v', KEY_OPTION = FL_KEY_FIRST /* and on: the index of the library's option */ };

static bool is_word(const char *values)
{
	return strpbrk(values, " ,") == NULL;
}

size_t fl_launch_options(struct argp_option *options, int flags)
{
	const struct fallow_option *option;
	size_t n = 0;

	for (; n < FL_LAUNCH_NOPTIONS - 1 && (option = fallow_option_at(n)) != NULL; n++) {
		options[n].name = option->name;
		options[n].key = KEY_OPTION + (int)n;
		options[n].arg = is_word(option->values) ? option->values : "VALUE";
		options[n].flags = flags;
		options[n].doc = option->help;
	}
	options[n++] = (struct argp_option){ "verbose", KEY_VERBOSE, NULL, flags, "say on stderr what is set", -1 };
	return n;
}

static void set_option(struct fl_launch *launch, const struct fallow_option *option, const char *value, struct argp_state *state)
{
	/* A value that was taken for good when this process began, as under another fallow run, was a good one too. */
	int result = fallow_option_set(option->name, value);

	if (result != 0 && result != -EBUSY)
		argp_error(state, "--%s=%s: bad value '%s'; allowed: %s", option->name, value, value, option->values);
	fprintf(launch->conf, "%s%s:%s", ftell(launch->conf) > 0 ? "," : "", option->name, value);
}

bool fl_launch_begin(struct fl_launch *launch)
{
	const char *had = getenv("FALLOW_CONF");

	*launch = (struct fl_launch){ 0 };
	launch->conf = open_memstream(&launch->text, &launch->length);
	if (launch->conf != NULL && had != NULL)
		fputs(had, launch->conf);
	return launch->conf != NULL;
}

error_t fl_launch_parse(struct fl_launch *launch, int key, char *argument, struct argp_state *state)
{
	if (key >= KEY_OPTION && key < KEY_OPTION + FL_LAUNCH_NOPTIONS) {
		set_option(launch, fallow_option_at((size_t)(key - KEY_OPTION)), argument, state);
		return 0;
	}
	switch (key) {
	case KEY_VERBOSE:
		launch->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		launch->program = state->argv + state->next - 1;
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

bool fl_launch_set(struct fl_launch *launch, const char *name)
{
	bool set = fclose(launch->conf) == 0 && (launch->length == 0 || setenv("FALLOW_CONF", launch->text, 1) == 0);

	if (!set)
		perror(name);
	set = set && set_library(name);
	if (set && launch->verbose)
		fprintf(stderr, "%s: LD_PRELOAD=%s FALLOW_CONF=%s\n", name, getenv("LD_PRELOAD"), launch->text);
	free(launch->text);
	return set;
}

enum fl_status fl_launch_execute(const struct fl_launch *launch, const char *name)
{
	execvp(launch->program[0], launch->program);
	int error = errno;
	fprintf(stderr, "%s: %s: %s\n", name, launch->program[0], strerror(error));
	return error == ENOENT ? FL_STATUS_NOT_FOUND : FL_STATUS_CANNOT_EXECUTE;
}
