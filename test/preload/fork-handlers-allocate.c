/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program's own fork handlers may allocate and free, whether registered before the first allocation of the
 * process or after it: prepare handlers run in reverse order, so those registered first run while the allocator may
 * already hold its locks for the fork. Other threads allocate meanwhile.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { FORKS = 200, THREADS = 2, SECONDS = 60, SECONDS_EACH = 20, SIZES = 5 };

static const size_t sizes[SIZES] = {16, 700, 20000, 300000, 5000000};
static void *blocks[2][SIZES];
static int calls;
static atomic_bool stop;

static void allocate(void **into)
{
	for (int i = 0; i < SIZES; i++) {
		into[i] = malloc(sizes[i]);
		CHECK(into[i] != NULL);
		memset(into[i], i, sizes[i] < 4096 ? sizes[i] : 4096);
	}
	calls++;
}

static void give_back(void **from)
{
	for (int i = 0; i < SIZES; i++) {
		CHECK(check_holds(from[i], sizes[i] < 4096 ? sizes[i] : 4096, (unsigned char)i));
		free(from[i]);
		from[i] = NULL;
	}
	calls++;
}

static void early_prepare(void)
{
	allocate(blocks[0]);
}

static void early_after(void)
{
	give_back(blocks[0]);
}

static void late_prepare(void)
{
	allocate(blocks[1]);
}

static void late_after(void)
{
	give_back(blocks[1]);
}

static void register_first(int argc, char **argv, char **environment)
{
	(void)argc;
	(void)argv;
	(void)environment;
	pthread_atfork(early_prepare, early_after, early_after);
}

/* Before every constructor, those of preloaded libraries included. */
__attribute__((section(".preinit_array"), used)) static void (*first)(int, char **, char **) = register_first;

static void *churn(void *arg)
{
	while (!stop) {
		free(malloc(300));
		free(malloc(100000));
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	(void)argc;
	test_preload(argv, NULL);
	free(malloc(1));
	pthread_atfork(late_prepare, late_after, late_after);
	check_deadline(SECONDS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, churn, NULL) != 0)
			return 99;
	for (int i = 0; i < FORKS && check_status() == 0; i++) {
		int status;
		pid_t pid;

		calls = 0;
		pid = fork();
		if (pid == 0) {
			alarm(SECONDS_EACH);
			free(malloc(100));
			_exit(check_status() != 0 || calls != 4);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 99;
		CHECK(status == 0);
		CHECK(calls == 4);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return check_status();
}
