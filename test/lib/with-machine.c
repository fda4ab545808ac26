/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * with-machine: run a program with the machine lock held, in a place with real limits where some are named.
 *
 *     with-machine [LIMIT=VALUE]... PROGRAM [ARGUMENT]...
 *     with-machine --restore
 *
 * A limit is a field of struct place; sizes take K, M, G or T. Without one the program runs as it is, and what it writes
 * down to be undone (machine.sh) is undone when it ends. Exit status: that of the program; 128 + n for signal n; 77 with
 * the reason on stdout where the machine cannot be such a place; 99 when something else went wrong.
 */
#include "test/lib/place.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/test.h"

static const struct {
	const char *name;
	size_t offset;
} limits[] = {
	{ "huge_2m", offsetof(struct place, huge_2m) },
	{ "huge_1g", offsetof(struct place, huge_1g) },
	{ "hugetlb_cgroup", offsetof(struct place, hugetlb_cgroup) },
	{ "memory_cgroup", offsetof(struct place, memory_cgroup) },
	{ "tmpfs", offsetof(struct place, tmpfs) },
	{ "hugetlbfs", offsetof(struct place, hugetlbfs) },
	{ "ext4", offsetof(struct place, ext4) },
	{ "swap", offsetof(struct place, swap) },
	{ "address_space", offsetof(struct place, address_space) },
	{ "data", offsetof(struct place, data) },
	{ "file_size", offsetof(struct place, file_size) },
	{ "commit", offsetof(struct place, commit) },
	{ "map_count", offsetof(struct place, map_count) },
};

_Static_assert(sizeof(long) == sizeof(size_t), "a field is set without asking for its type");

static bool parse(const char *text, long *value)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	if (errno || end == text)
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	if (!unit)
		return *end == '\0';
	*value *= 1L << 10 * (unit - units + 1);
	return end[1] == '\0';
}

static bool set(struct place *place, const char *argument)
{
	const char *value = strchr(argument, '=');

	for (size_t i = 0; value && i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strlen(limits[i].name) == (size_t)(value - argument) &&
		    strncmp(limits[i].name, argument, (size_t)(value - argument)) == 0)
			return parse(value + 1, (long *)((char *)place + limits[i].offset));
	return false;
}

static int status_of(struct place_result result)
{
	switch (result.end) {
	case PLACE_EXITED:
		return result.value;
	case PLACE_KILLED:
		return 128 + result.value;
	case PLACE_LACKS:
		test_skip(result.reason);
	case PLACE_HUNG:
		test_hard_error("the program did not end");
	}
	return TEST_HARD_ERROR;
}

/* The program changes the machine by itself. It stays in our process group: what ends us ends it. */
static int run_with_lock(char **argv)
{
	pid_t program;
	int status = 0;

	test_machine_begin();
	program = fork();
	if (program < 0)
		test_hard_error("cannot fork");
	if (program == 0)
		place_execute(argv);
	/* The time limit's TERM reaches the program too; its end is waited for, so that nothing is undone under it. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	while (waitpid(program, &status, 0) < 0 && errno == EINTR)
		continue;
	test_machine_end();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	struct place place = { 0 };
	int i = 1;

	if (argc == 2 && strcmp(argv[1], "--restore") == 0)
		return test_machine_restore() ? 0 : TEST_HARD_ERROR;
	while (i < argc && set(&place, argv[i]))
		i++;
	if (i >= argc) {
		fputs("usage: with-machine [LIMIT=VALUE]... PROGRAM [ARGUMENT]... | --restore\n", stderr);
		return TEST_HARD_ERROR;
	}
	if (i == 1)
		return run_with_lock(argv + 1);
	return status_of(place_run(&place, place_execute, argv + i));
}
