/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * with-machine PROGRAM [ARGUMENT...]: run a program that changes the machine, with the lock held and a guardian that
 * puts things back. The program finds the guardian at descriptor TEST_MACHINE_SCRIPT_FD; machine.sh starts itself so.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/machine.h"
#include "test/lib/test.h"

int main(int argc, char **argv)
{
	pid_t program;
	int status = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: with-machine PROGRAM [ARGUMENT...]\n");
		return TEST_HARD_ERROR;
	}
	test_machine_begin();
	program = fork();
	if (program < 0)
		test_hard_error("cannot fork");
	if (program == 0) {
		if (dup2(test_machine_fd(), TEST_MACHINE_SCRIPT_FD) < 0)
			_exit(TEST_HARD_ERROR);
		execvp(argv[1], argv + 1);
		_exit(TEST_HARD_ERROR);
	}
	/* The time limit's TERM reaches the program too; its end is waited for, so that nothing is undone under it. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	while (waitpid(program, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
