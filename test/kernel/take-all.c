/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary program for exhaust-memory-cgroup: its threads malloc until NULL, touching no more than a word of each block;
 * then they write all they got, check it, free it, and all of that again. It knows of fallow only when asking why it was
 * told no, and runs as well without.
 *
 *     take-all SIZE THREADS LOCKED
 *
 * It must get 90 % of what its memory cgroup has left when it starts but for LOCKED bytes, and as much again. Ends with
 * exit status 1 when something is not as it must be.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <fallow/stats.h>

#include "test/kernel/memory-cgroup.h"
#include "test/lib/place.h"
#include "test/lib/test.h"

#define MAX_THREADS 16
/* Of what there is. */
#define LEAST_PERCENT 90

/* Bytes that the process comes to need itself: stacks of threads, tables, and what they have of its own. */
#define OWN (1 << 20)

struct block {
	struct block *next;
	unsigned char bytes[];
};

struct taker {
	pthread_t thread;
	struct block *first;
	long long nbytes; /* that may be used */
	int number;
};

static struct taker takers[MAX_THREADS];
static int nthreads;
static size_t size;
static int (*last_failure)(struct fallow_failure *failure);
static pthread_barrier_t all_told;

static void name_file(char path[MEMORY_CGROUP_PATH], const char *file)
{
	memory_cgroup_file(path, file);
	if (access(path, R_OK) != 0) /* in a container's namespace */
		snprintf(path, MEMORY_CGROUP_PATH, MEMORY_CGROUP_MOUNT "/fallow-place/%s", file);
}

/* What can still be had: what is not used, and page cache that can be reclaimed. */
static long long there_is(void)
{
	char usage[MEMORY_CGROUP_PATH], stat[MEMORY_CGROUP_PATH], limit[MEMORY_CGROUP_PATH];

	name_file(usage, "memory.usage_in_bytes");
	name_file(stat, "memory.stat");
	name_file(limit, "memory.limit_in_bytes");
	long long there = test_machine_number(limit) - test_machine_number(usage) +
			  test_machine_field(stat, "total_inactive_file") + test_machine_field(stat, "total_active_file");
	must(there > 0);
	return there;
}

static void must_be_told_why(void)
{
	struct fallow_failure failure;

	must_equal(errno, ENOMEM);
	if (last_failure == NULL)
		return;
	must_equal(last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_MEMORY_CGROUP);
	must_equal(failure.requested, size);
}

static void take(struct taker *taker)
{
	struct block *block;

	taker->nbytes = 0;
	while ((block = malloc(size)) != NULL) {
		block->next = taker->first;
		taker->first = block;
		taker->nbytes += (long long)malloc_usable_size(block);
	}
	must_be_told_why();
}

static void write_all(const struct taker *taker)
{
	for (struct block *block = taker->first; block != NULL; block = block->next)
		memset(block->bytes, taker->number, size - sizeof(*block));
}

static void check_and_free(struct taker *taker)
{
	while (taker->first != NULL) {
		struct block *block = taker->first;
		must_equal(block->bytes[0], taker->number);
		must(memcmp(block->bytes, block->bytes + 1, size - sizeof(*block) - 1) == 0);
		taker->first = block->next;
		free(block);
	}
}

static void *run(void *argument)
{
	struct taker *taker = argument;

	take(taker);
	pthread_barrier_wait(&all_told);
	write_all(taker);
	pthread_barrier_wait(&all_told);
	check_and_free(taker);
	return NULL;
}

/* Bytes that all threads got together. */
static long long run_all(void)
{
	long long nbytes = 0;

	for (int i = 1; i < nthreads; i++)
		must_equal(pthread_create(&takers[i].thread, NULL, run, &takers[i]), 0);
	run(&takers[0]);
	for (int i = 1; i < nthreads; i++)
		pthread_join(takers[i].thread, NULL);
	for (int i = 0; i < nthreads; i++)
		nbytes += takers[i].nbytes;
	return nbytes;
}

int main(int argc, char **argv)
{
	static char buffer[BUFSIZ];

	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	must_equal(argc, 4);
	long long there = there_is() - strtoll(argv[3], NULL, 10);
	size = strtoul(argv[1], NULL, 10);
	nthreads = atoi(argv[2]);
	must(nthreads >= 1 && nthreads <= MAX_THREADS && size >= 2 * sizeof(struct block));
	*(void **)&last_failure = dlsym(RTLD_DEFAULT, "fallow_last_failure");
	must_equal(pthread_barrier_init(&all_told, NULL, (unsigned int)nthreads), 0);
	for (int i = 0; i < nthreads; i++)
		takers[i].number = i + 1;
	for (int again = 0; again < 2; again++) {
		long long nbytes = run_all();
		printf("%s: %lld bytes of %lld: %.1f %%\n", again ? "and again" : "at first", nbytes, there - OWN,
		       100.0 * (double)nbytes / (double)(there - OWN));
		must_be_least(nbytes * 100, (there - OWN) * LEAST_PERCENT);
	}
	return 0;
}
