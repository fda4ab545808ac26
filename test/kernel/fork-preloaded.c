/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves the same of an ordinary program that has fallow preloaded on huge pages: with the pool used up it forks a hundred
 * times while threads write, allocate, open files and end; parent and child write all that they have, and nobody dies.
 * With fork:refuse its fork fails with ENOMEM; system(3) and a fork of which there is room go on.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/lives.h"

#define NFORKS 100
#define NWRITERS 3
#define NBLOCKS 400
#define BLOCK ((size_t)100000)
#define STRIDE 2048
#define SECONDS_EACH 30

static unsigned char *blocks[NBLOCKS];
static size_t nblocks;
static atomic_bool stop;
static pthread_barrier_t begun; /* the writers have what they need: soon there is no more */

static void write_all(unsigned char *bytes, unsigned char value)
{
	for (size_t i = 0; i < BLOCK; i += STRIDE)
		bytes[i] = value;
}

static bool holds_all(const unsigned char *bytes, unsigned char value)
{
	for (size_t i = 0; i < BLOCK; i += STRIDE) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

static void *end_soon(void *argument)
{
	free(malloc(500));
	return argument;
}

/* libc keeps a file's lock in the heap and resets it in the child, before any handler of pthread_atfork. */
static void *keep_busy(void *argument)
{
	FILE *file = fopen("/dev/null", "w");
	unsigned char *own = malloc(BLOCK);
	unsigned char value = 0;

	must(file != NULL && own != NULL);
	pthread_barrier_wait(&begun);
	while (!stop) {
		pthread_t thread;

		write_all(own, ++value);
		must(fwrite(own, 1, 1000, file) == 1000);
		free(malloc(2 * BLOCK));
		if (value % 16 == 0 && pthread_create(&thread, NULL, end_soon, NULL) == 0)
			pthread_join(thread, NULL);
		must(holds_all(own, value));
	}
	fclose(file);
	free(own);
	return argument;
}

static void fill(void)
{
	while (nblocks < NBLOCKS && (blocks[nblocks] = malloc(BLOCK)) != NULL)
		nblocks++;
}

static void fork_and_write(unsigned char value)
{
	int status;

	for (size_t i = 0; i < nblocks; i++)
		write_all(blocks[i], value);
	pid_t child = fork();
	must_be_least(child, 0);
	if (child == 0)
		alarm(SECONDS_EACH);
	for (size_t i = 0; i < nblocks; i++) {
		must(holds_all(blocks[i], value));
		write_all(blocks[i], (unsigned char)(value + (child == 0 ? 1 : 2)));
	}
	if (child == 0)
		_exit(0);
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
}

static void survive(void)
{
	pthread_t threads[NWRITERS];

	must_equal(pthread_barrier_init(&begun, NULL, NWRITERS + 1), 0);
	for (size_t i = 0; i < NWRITERS; i++)
		must_equal(pthread_create(&threads[i], NULL, keep_busy, NULL), 0);
	pthread_barrier_wait(&begun);
	for (int i = 0; i < NFORKS; i++) {
		fill();
		must_be_least(nblocks, 50);
		fork_and_write((unsigned char)i);
		while (i % 10 == 9 && nblocks != 0)
			free(blocks[--nblocks]);
	}
	stop = 1;
	for (size_t i = 0; i < NWRITERS; i++)
		pthread_join(threads[i], NULL);
}

static void be_refused(void)
{
	fill();
	must_be_least(nblocks, 50);
	errno = 0;
	must_equal(fork(), -1);
	must_equal(errno, ENOMEM);
	must_equal(unsetenv("LD_PRELOAD"), 0);
	must_equal(system("exit 7"), 7 << 8);
	while (nblocks > 10)
		free(blocks[--nblocks]);
	malloc_trim(0);
	fork_and_write(1);
}

static void under_preload(void *argument)
{
	char conf[60], program[] = "/proc/self/exe", *policy = argument, *argv[] = { program, policy, NULL };

	snprintf(conf, sizeof(conf), "backing:hugetlb,spill:fail,decay:0,fork:%s", policy);
	must_equal(setenv("FALLOW_CONF", conf, 1), 0);
	must_equal(setenv("LD_PRELOAD", getenv("FALLOW_PRELOAD"), 1), 0);
	place_execute(argv);
}

static const struct place pool = { .huge_2m = 16 };

static void everybody_survives(void **state)
{
	char policy[] = "auto";

	(void)state;
	assert_lives(&pool, under_preload, policy);
}

static void refuse_is_enomem(void **state)
{
	char policy[] = "refuse";

	(void)state;
	assert_lives(&pool, under_preload, policy);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_survives),
		cmocka_unit_test(refuse_is_enomem),
	};

	if (argc == 1)
		return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
	if (strcmp(argv[1], "refuse") == 0)
		be_refused();
	else
		survive();
	return 0;
}
