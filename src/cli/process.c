/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a process and finding fallow's record in it.
 */
#include "cli/process.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"

#define PATH_LENGTH 64
#define CHUNK 65536
#define NFIELDS_MAX 4096
#define SCOPE_NOBODY 3 /* of kernel.yama.ptrace_scope */

static int parse(const char *text, struct argp_state *state)
{
	uint64_t number;

	if (!fl_number_parse(text, &number) || number == 0 || number > INT_MAX)
		argp_error(state, "'%s' is not the number of a process", text);
	return (int)number;
}

int fl_process_argument(int key, const char *argument, struct argp_state *state, int *pid)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (*pid != 0)
			argp_error(state, "'%s' is one process too many", argument);
		*pid = parse(argument, state);
		return 0;
	case ARGP_KEY_END:
		if (*pid == 0)
			argp_error(state, "no process");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

bool fl_process_read(const struct fl_process *process, uint64_t address, void *buffer, size_t length)
{
	char *to = buffer;

	while (length > 0) {
		ssize_t n = pread(process->memory, to, length, (off_t)address);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		address += (uint64_t)n;
		length -= (size_t)n;
	}
	return true;
}

uint64_t fl_process_word(const struct fl_process *process, const void *address)
{
	uint64_t word;

	return fl_process_read(process, (uintptr_t)address, &word, sizeof(word)) ? word : 0;
}

bool fl_process_lives(const struct fl_process *process)
{
	char magic[sizeof(process->live.magic)];

	return fl_process_read(process, (uintptr_t)process->live.self, magic, sizeof(magic));
}

const struct fallow_live_field *fl_process_field(const struct fl_process *process, const char *name)
{
	for (uint64_t i = 0; i < process->live.nfields; i++)
		if (strcmp(process->fields[i].name, name) == 0)
			return &process->fields[i];
	return NULL;
}

/* The record at a place where its first bytes are. */
static bool read_record(struct fl_process *process, uint64_t address)
{
	struct fallow_live live = { .size = 0 };

	if (!fl_process_read(process, address, &live, offsetof(struct fallow_live, started_ms)) ||
	    (uintptr_t)live.self != address)
		return false;
	size_t length = live.size < sizeof(live) ? live.size : sizeof(live);
	if (!fl_process_read(process, address, &live, length))
		return false;
	/* One that is started is the one in use. */
	if (process->live.started_ms == 0)
		process->live = live;
	return true;
}

/* Look for records in a data segment. */
static void search(struct fl_process *process, uint64_t start, uint64_t end)
{
	static char chunk[CHUNK];

	for (uint64_t at = start; at < end; at += CHUNK) {
		size_t length = end - at < CHUNK ? end - at : CHUNK;
		if (!fl_process_read(process, at, chunk, length))
			return;
		for (size_t i = 0; i + sizeof(process->live.magic) <= length; i += FALLOW_LIVE_ALIGNMENT)
			if (memcmp(chunk + i, FALLOW_LIVE_MAGIC, sizeof(process->live.magic)) == 0)
				read_record(process, at + i);
	}
}

/* Look in data segments of files that are called like the library, or else in those of all others. */
static void search_files(struct fl_process *process, FILE *maps, bool ours)
{
	unsigned long long start, end, inode;
	char line[PATH_MAX + 128], mode[5];
	int name;

	rewind(maps);
	while (process->live.started_ms == 0 && fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%llx-%llx %4s %*x %*s %llu %n", &start, &end, mode, &inode, &name) < 4)
			continue;
		if (inode != 0 && strncmp(mode, "rw", 2) == 0 && mode[3] == 'p' &&
		    (strstr(line + name, "/libfallow") != NULL) == ours)
			search(process, start, end);
	}
}

static bool read_fields(struct fl_process *process)
{
	uint64_t n = process->live.nfields;

	if (n > NFIELDS_MAX)
		return false;
	process->fields = calloc(n, sizeof(*process->fields));
	if (process->fields == NULL ||
	    !fl_process_read(process, (uintptr_t)process->live.fields, process->fields, n * sizeof(*process->fields)))
		return false;
	for (uint64_t i = 0; i < n; i++)
		process->fields[i].name[sizeof(process->fields[i].name) - 1] = '\0';
	return true;
}

/* False: there is none, or none that this command knows. */
static bool find_record(struct fl_process *process)
{
	char path[PATH_LENGTH];

	snprintf(path, sizeof(path), "/proc/%d/maps", process->pid);
	FILE *maps = fopen(path, "re");
	if (maps != NULL) {
		search_files(process, maps, true);
		search_files(process, maps, false);
		fclose(maps);
	}
	return process->live.version == FALLOW_LIVE_VERSION && process->live.started_ms != 0 && read_fields(process);
}

/* Why there is no record. */
static void explain_record(const struct fl_process *process, const char *name)
{
	if (process->live.size == 0)
		fprintf(stderr, "%s: process %d (%s) does not run on fallow; fallow run -- starts programs that do\n", name,
			process->pid, process->command);
	else if (process->live.version != FALLOW_LIVE_VERSION)
		fprintf(stderr, "%s: process %d (%s) is on a fallow whose record has version %u; this command knows %d\n", name,
			process->pid, process->command, process->live.version, FALLOW_LIVE_VERSION);
	else if (process->live.started_ms == 0)
		fprintf(stderr, "%s: process %d (%s) has fallow, but has not allocated anything yet\n", name, process->pid,
			process->command);
	else
		fprintf(stderr, "%s: process %d has ended\n", name, process->pid);
}

/* Why its memory, which is there, may not be opened. */
static void explain_refusal(int pid, const char *name)
{
	char path[PATH_LENGTH];
	struct stat owner;
	uint64_t scope = 0;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fl_file_number("/proc/sys/kernel/yama/ptrace_scope", &scope);
	if (scope == SCOPE_NOBODY) {
		fprintf(stderr, "%s: nobody may look into process %d, nor may root: kernel.yama.ptrace_scope is 3\n", name, pid);
	} else if (geteuid() == 0) {
		fprintf(stderr, "%s: looking into process %d takes CAP_SYS_PTRACE, which root does not have here\n", name, pid);
	} else if (stat(path, &owner) == 0 && owner.st_uid != geteuid()) {
		const struct passwd *user = getpwuid(owner.st_uid);
		fprintf(stderr, "%s: process %d is of user %s (%u): only that user and root may look into it\n", name, pid,
			user != NULL ? user->pw_name : "?", owner.st_uid);
	} else if (scope != 0) {
		fprintf(stderr, "%s: only root may look into process %d: kernel.yama.ptrace_scope is %u\n", name, pid,
			(unsigned int)scope);
	} else {
		fprintf(stderr, "%s: only root may look into process %d: it has, or had, privileges\n", name, pid);
	}
}

static void read_command(struct fl_process *process)
{
	char path[PATH_LENGTH];

	snprintf(path, sizeof(path), "/proc/%d/comm", process->pid);
	fl_file_line(path, process->command, sizeof(process->command));
	/* Programs call themselves what they like, and terminals obey. */
	for (char *c = process->command; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

/* False with errno. */
static bool open_memory(struct fl_process *process, int pid)
{
	char path[PATH_LENGTH];

	*process = (struct fl_process){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	process->memory = open(path, O_RDONLY | O_CLOEXEC);
	if (process->memory >= 0)
		read_command(process);
	return process->memory >= 0;
}

bool fl_process_open(struct fl_process *process, int pid, const char *name)
{
	if (!open_memory(process, pid)) {
		if (errno == EACCES || errno == EPERM)
			explain_refusal(pid, name);
		else
			fprintf(stderr, "%s: there is no process %d\n", name, pid);
		return false;
	}
	if (find_record(process))
		return true;
	explain_record(process, name);
	fl_process_close(process);
	return false;
}

bool fl_process_try(struct fl_process *process, int pid)
{
	if (!open_memory(process, pid))
		return false;
	if (find_record(process))
		return true;
	fl_process_close(process);
	return false;
}

void fl_process_close(struct fl_process *process)
{
	close(process->memory);
	free(process->fields);
}
