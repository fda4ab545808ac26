/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a process whose first thread has ended ends with the last of its others, status 0, though the helper runs:
 * both a process as it was started, and a child of fork, whose first thread is the one that forked.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { BLOCKS = 64, BLOCK = 1 << 20, SECONDS = 20 };

/* With another thread there, this is more than the helper needs to be started. */
static void *allocate(void *blocks)
{
	for (int i = 0; i < BLOCKS; i++)
		((void **)blocks)[i] = memset(malloc(BLOCK), 1, BLOCK);
	for (int i = 0; i < BLOCKS; i++)
		free(((void **)blocks)[i]);
	return NULL;
}

static void *linger(void *unused)
{
	static void *blocks[BLOCKS];
	struct timespec pause = {0, 50000000};

	nanosleep(&pause, NULL);
	allocate(blocks);
	return unused;
}

static void start(void *(*run)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL) != 0)
		_exit(99);
}

static void first_thread_first(void)
{
	void *blocks[BLOCKS];

	start(linger);
	allocate(blocks);
	pthread_exit(NULL);
}

/* True where the process ended by itself. */
static bool ends(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void *fork_and_end(void *unused)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(SECONDS);
		start(linger);
		return unused;
	}
	_exit(ends(pid) ? 0 : 1);
}

static void forked_from_a_thread(void)
{
	struct timespec long_time = {SECONDS, 0};

	start(fork_and_end);
	nanosleep(&long_time, NULL);
	_exit(98);
}

int main(int argc, char **argv)
{
	void (*const cases[])(void) = {first_thread_first, forked_from_a_thread};

	(void)argc;
	test_preload(argv, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(SECONDS);
			cases[i]();
		}
		CHECK(pid > 0 && ends(pid));
	}
	return check_status();
}
