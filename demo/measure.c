/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * measure FILE PROGRAM [ARGUMENT]...: run a program and write what it used into FILE, as three numbers: CPU time and elapsed
 * time in milliseconds, and the most memory that it, or any process it waited for, had resident, in KiB.
 *
 * Exit status: that of the program; 128 + n when signal n ended it; 99 when it could not be run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long cpu_ms(const struct rusage *used)
{
	return (used->ru_utime.tv_sec + used->ru_stime.tv_sec) * 1000 +
	       (used->ru_utime.tv_usec + used->ru_stime.tv_usec) / 1000;
}

int main(int argc, char **argv)
{
	struct rusage used;
	int status;

	if (argc < 3)
		return 99;
	long start = now_ms();
	pid_t child = fork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(99);
	}
	while (wait4(child, &status, 0, &used) < 0)
		if (errno != EINTR)
			return 99;
	FILE *file = fopen(argv[1], "w");
	if (file == NULL || fprintf(file, "%ld %ld %ld\n", cpu_ms(&used), now_ms() - start, used.ru_maxrss) < 0 ||
	    fclose(file) != 0)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
