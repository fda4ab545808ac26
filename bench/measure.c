/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a program and writes what it used: time, CPU, peak memory, faults.
 *
 *   measure OUTPUT [NAME=VALUE]... -- program [argument]...
 *
 * OUTPUT gets one line: wall_us user_us system_us peak_kib minor_faults
 * major_faults status. The peak and the sums include descendants that were
 * waited for. status is 0 to 255, or 256 + the signal.
 *
 * Linux counts the memory of the process that calls exec into the peak of the
 * program that it becomes, so the caller has to be small: a script language
 * would hide every program under its own size. This one is linked statically.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long elapsed_us(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000L + (to->tv_nsec - from->tv_nsec) / 1000;
}

static long timeval_us(struct timeval value)
{
	return value.tv_sec * 1000000L + value.tv_usec;
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	struct rusage used;
	int status, at = 2;
	char line[256];

	/* putenv keeps the arguments themselves: nothing is allocated but the table. */
	while (at < argc && strcmp(argv[at], "--"))
		putenv(argv[at++]);
	if (at + 1 >= argc) {
		fputs("usage: measure OUTPUT [NAME=VALUE]... -- program [argument]...\n", stderr);
		return 2;
	}
	int output = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (output < 0) {
		fprintf(stderr, "measure: %s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	pid_t child = vfork();
	if (child == 0) {
		execvp(argv[at + 1], argv + at + 1);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &used) != child) {
		fprintf(stderr, "measure: %s\n", strerror(errno));
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	int length = snprintf(line, sizeof line, "%ld %ld %ld %ld %ld %ld %d\n", elapsed_us(&begin, &end),
						  timeval_us(used.ru_utime), timeval_us(used.ru_stime), used.ru_maxrss, used.ru_minflt,
						  used.ru_majflt, WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status));
	return write(output, line, (size_t)length) == length ? 0 : 2;
}
