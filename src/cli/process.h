/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another process's memory, read as it is, without a signal and without stopping it.
 *
 * All is read by one descriptor of /proc/PID/mem, which belongs to the program as it was when it was opened: when that ends,
 * or becomes another, reading ends too, whoever has the number then. Opening takes the rights of ptrace(2): the same user, of a
 * program without privileges, or root.
 */
#ifndef FL_CLI_PROCESS_H
#define FL_CLI_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fallow/live.h>

#define FL_COMMAND_LENGTH 64

struct fl_process {
	int pid;
	int memory;                        /* descriptor */
	char command[FL_COMMAND_LENGTH];   /* its name, printable */
	struct fallow_live live;           /* as of opening */
	struct fallow_live_field *fields;  /* live.nfields of them, malloc's */
};

/*
 * Open a process on fallow. False with the reason said on stderr behind name: there is none, it is somebody else's, it does
 * not run on fallow.
 */
bool fl_process_open(struct fl_process *process, int pid, const char *name);
/* The same, without a word. */
bool fl_process_try(struct fl_process *process, int pid);
void fl_process_close(struct fl_process *process);

/* Copy length bytes at address. False: there is nothing, or the process has ended. */
bool fl_process_read(const struct fl_process *process, uint64_t address, void *buffer, size_t length);

/* The word at address; 0 where there is nothing. */
uint64_t fl_process_word(const struct fl_process *process, const void *address);

/* False when it has ended or become another program. */
bool fl_process_lives(const struct fl_process *process);

/* Where the library of the process keeps a field, such as "region.base"; NULL when it has no such. */
const struct fallow_live_field *fl_process_field(const struct fl_process *process, const char *name);

/*
 * What the parser of a subcommand answers to the keys of its arguments, where these are the number of one process: it goes to
 * *pid, which is 0 before. Anything else is a usage error.
 */
struct argp_state;
int fl_process_argument(int key, const char *argument, struct argp_state *state, int *pid);

#endif
