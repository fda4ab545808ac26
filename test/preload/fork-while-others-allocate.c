/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a process can fork at any moment while eight threads allocate and free, and others come and end, and that
 * the child has a whole heap: it finds its blocks unchanged, frees what other threads of its parent allocated, allocates,
 * starts threads and forks again, without a hang.
 *
 * 1,000 forks or 60 seconds, whichever comes first, but at least 100 forks.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

enum { FORKS = 1000, FORKS_AT_LEAST = 100, SECONDS = 60, SECONDS_EACH = 20, THREADS = 8, SHARED = 256 };

static _Atomic(char *) shared[SHARED]; /* blocks that any thread replaces and frees: each begins with its last byte */
static atomic_bool stop;

static char *new_block(unsigned int random)
{
	size_t size = random % 50 == 0 ? 70000 + random % 300000 : 16 + random % 2000;
	char *block = malloc(size);

	memset(block, (char)random, size);
	return block;
}

static void *few_rounds(void *arg)
{
	for (unsigned int i = 0; i < 50; i++)
		free(new_block(i * 40503));
	return arg;
}

static void *churn(void *arg)
{
	unsigned int seed = (unsigned int)(size_t)arg;

	while (!stop) {
		unsigned int random = (unsigned int)rand_r(&seed);
		pthread_t thread;

		free(atomic_exchange(&shared[random % SHARED], new_block(random / SHARED)));
		if (random % 500 == 0 && pthread_create(&thread, NULL, few_rounds, NULL) == 0)
			pthread_join(thread, NULL);
	}
	return NULL;
}

static void use_heap(const char *own)
{
	pthread_t thread;

	CHECK(check_holds(own, 5000, 'o'));
	for (int i = 0; i < SHARED; i++) {
		char *block = atomic_exchange(&shared[i], NULL);

		if (block != NULL)
			CHECK(block[0] == block[15]);
		free(block);
	}
	few_rounds(NULL);
	if (pthread_create(&thread, NULL, few_rounds, NULL) == 0)
		pthread_join(thread, NULL);
}

static _Noreturn void child(const char *own, int forks)
{
	alarm(SECONDS_EACH);
	use_heap(own);
	if (forks % 20 == 0) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			alarm(SECONDS_EACH);
			use_heap(own);
			_exit(check_status());
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	_exit(check_status());
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	char *own;
	time_t end;
	int forks = 0;

	(void)argc;
	test_preload(argv, NULL);
	own = malloc(5000);
	memset(own, 'o', 5000);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) != 0)
			return 99;
	end = time(NULL) + SECONDS;
	while (forks < FORKS && (forks < FORKS_AT_LEAST || time(NULL) < end) && check_status() == 0) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			child(own, forks);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 99;
		if (status != 0)
			printf("child %d ended with wait status %#x\n", forks, (unsigned int)status);
		CHECK(status == 0);
		forks++;
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK(check_holds(own, 5000, 'o'));
	printf("%d forks\n", forks);
	return check_status();
}
