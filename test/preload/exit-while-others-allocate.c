/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a process can end by exit(), with handlers that allocate, while its other threads allocate and free.
 *
 * Each of many child processes starts threads that never stop and leaves at a random moment; it must end in time, with the
 * status it asked for.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { CHILDREN = 100, THREADS = 4, STATUS = 42, SECONDS_EACH = 20 };

static void *churn(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;
	void *blocks[64] = {NULL};

	for (;;) {
		unsigned int i = (unsigned int)rand_r(&seed);

		free(blocks[i % 64]);
		blocks[i % 64] = malloc(i / 64 % 64 == 0 ? 200000 : i / 64 % 3000);
	}
	return NULL;
}

static void at_exit(void)
{
	for (size_t size = 1; size < 1000000; size *= 3)
		free(calloc(1, size));
	free(realloc(malloc(10), 100000));
}

static _Noreturn void child(int number)
{
	struct timespec pause = {0, number % 20 * 200000L};

	alarm(SECONDS_EACH);
	atexit(at_exit);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, churn, (void *)(i + 1)) != 0)
			_exit(99);
	}
	nanosleep(&pause, NULL);
	exit(STATUS);
}

int main(int argc, char **argv)
{
	(void)argc;
	test_preload(argv, NULL);
	for (int i = 0; i < CHILDREN; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			child(i);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 99;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != STATUS)
			printf("child %d ended with wait status %#x\n", i, (unsigned int)status);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == STATUS);
	}
	return check_status();
}
