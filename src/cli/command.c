/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading arguments, and finding subcommands.
 */
#include "config.h"

#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_USAGE 0x80

/* More room for the help of each option than argp leaves by itself. */
#define HELP_LAYOUT "dup-args-note=0,short-opt-col=2,long-opt-col=2,opt-doc-col=31,doc-opt-col=2,rmargin=79"

static error_t parse_help(int key, char *argument, struct argp_state *state)
{
	(void)argument;
	if (key != 'h' && key != KEY_USAGE)
		return ARGP_ERR_UNKNOWN;
	/* Not in the environment of a program that is run: both ways end here. */
	setenv("ARGP_HELP_FMT", HELP_LAYOUT, 0);
	argp_state_help(state, stdout, key == 'h' ? ARGP_HELP_STD_HELP : ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
	return 0;
}

void fl_parse(const struct argp *argp, int argc, char **argv, enum fl_status status, void *input)
{
	static const struct argp_option options[] = { { "help", 'h', NULL, 0, "say this", -1 },
						      { "usage", KEY_USAGE, NULL, 0, "say it in short", -1 },
						      { 0 } };
	static const struct argp help = { .options = options, .parser = parse_help };
	const struct argp_child children[] = { { &help, 0, NULL, 0 }, { 0 } };
	struct argp whole = *argp;

	whole.children = children;
	argp_err_exit_status = status;
	if (argp_parse(&whole, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, input) != 0)
		exit(status);
}

struct choice {
	const struct fl_command *commands;
	const struct fl_command *chosen;
	int index; /* of its name in argv */
};

static void print_names(FILE *stream, const struct fl_command *commands)
{
	for (const struct fl_command *command = commands; command->name; command++)
		fprintf(stream, "%s%s", command == commands ? "" : ", ", command->name);
}

static void print_help(FILE *stream, const struct fl_command *commands)
{
	fputs("Commands, each with a --help of its own:\n", stream);
	for (const struct fl_command *command = commands; command->name; command++)
		fprintf(stream, "  %-8s %s\n", command->name, command->help);
}

/* What is printed, as a text of malloc's. */
static char *to_text(void (*print)(FILE *, const struct fl_command *), const struct fl_command *commands)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return NULL;
	print(stream, commands);
	fclose(stream);
	return text;
}

static const struct fl_command *find(const struct fl_command *commands, const char *name)
{
	for (; commands->name; commands++)
		if (strcmp(commands->name, name) == 0)
			return commands;
	return NULL;
}

static error_t parse_command(int key, char *argument, struct argp_state *state)
{
	struct choice *choice = state->input;

	switch (key) {
	case 'V':
		puts(PACKAGE_STRING);
		exit(FL_STATUS_OK);
	case ARGP_KEY_ARG:
		choice->chosen = find(choice->commands, argument);
		if (choice->chosen == NULL)
			argp_error(state, "no command '%s'; there are: %s", argument,
				   to_text(print_names, choice->commands));
		choice->index = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command; there are: %s", to_text(print_names, choice->commands));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *add_commands(int key, const char *text, void *input)
{
	const struct choice *choice = input;

	return key == ARGP_KEY_HELP_EXTRA ? to_text(print_help, choice->commands) : (char *)text;
}

int fl_dispatch(const struct fl_command *commands, const char *doc, int argc, char **argv)
{
	static const struct argp_option options[] = { { "version", 'V', NULL, 0, "say which version this is", -1 },
						      { 0 } };
	const struct argp argp = { options, parse_command, "COMMAND [ARGUMENT...]", doc, NULL, add_commands, NULL };
	struct choice choice = { .commands = commands };
	char name[64];

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &choice);
	snprintf(name, sizeof(name), "%s %s", argv[0], choice.chosen->name);
	argv[choice.index] = name;
	return choice.chosen->main(argc - choice.index, argv + choice.index);
}
