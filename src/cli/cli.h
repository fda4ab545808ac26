/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command fallow: its subcommands, and what they share in reading their arguments.
 *
 * A subcommand is a main() of its own, in a file of its name. What it is given wrongly it names on stderr, with what is
 * allowed, before it changes anything. Every --help fits a screen of 80 columns and 24 lines.
 */
#ifndef FL_CLI_CLI_H
#define FL_CLI_CLI_H

#include <argp.h>

enum fl_status {
	FL_STATUS_OK = 0,
	FL_STATUS_NO = 1,              /* asked, and the answer is no: a problem found, something refused */
	FL_STATUS_USAGE = 2,           /* bad arguments */
	FL_STATUS_RUN_USAGE = 125,     /* the same of run and record, whose other statuses are the program's; as env(1) has it */
	FL_STATUS_CANNOT_EXECUTE = 126,
	FL_STATUS_NOT_FOUND = 127,
};

struct fl_command {
	const char *name;
	const char *help; /* one line */
	int (*main)(int argc, char **argv);
};

/* argv[0] is the name for messages, such as "fallow run". The result is the exit status. */
int fl_run(int argc, char **argv);
int fl_doctor(int argc, char **argv);
int fl_map(int argc, char **argv);
int fl_pool(int argc, char **argv);
int fl_record(int argc, char **argv);
int fl_report(int argc, char **argv);
int fl_stat(int argc, char **argv);

/*
 * A command of commands (a list that ends with a NULL name): find the one that the arguments name and go on with the rest,
 * or say which there are. doc is what --help says first.
 */
int fl_dispatch(const struct fl_command *commands, const char *doc, int argc, char **argv);

/*
 * argp_parse() with --help and --usage laid out to fit a screen. Bad arguments end the process with status. Arguments are
 * taken in order.
 */
void fl_parse(const struct argp *argp, int argc, char **argv, enum fl_status status, void *input);

/* A key for the first long option without a letter. */
#define FL_KEY_FIRST 0x100

#endif
