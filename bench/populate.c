/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What populating much memory costs: one call of MADV_POPULATE_WRITE, threads that touch each page, and fallow, on small
 * pages, transparent huge pages and the system's pool.
 *
 *   populate MIB ROUNDS
 *
 * The ways take turns, after a round that is not counted. Before each a child takes and leaves as much memory, because a
 * host that has taken free memory back from its guest makes the first touch many times as dear; the least wall time of a
 * way counts, with the CPU time of that round. Writes a table in Markdown. Pages of the pool are measured where enough of
 * them are free.
 */
#include <fallow/fallow.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MIB ((size_t)1 << 20)
#define HUGE (2 * MIB)
#define PAGE 4096
#define NTHREADS_MOST 64

enum pages { SMALL, TRANSPARENT, POOL, NPAGES };
enum way { ONE_CALL, TOUCH, FALLOW, NWAYS };

static const char *const page_names[NPAGES] = { "4 KiB pages", "transparent huge pages", "pool of 2 MiB pages" };
static const char *const way_names[NWAYS] = { "one thread, MADV_POPULATE_WRITE", "threads that touch", "fallow_map_populate_with" };

struct figures {
	double wall; /* seconds */
	double cpu;
};

static size_t length;
static size_t nthreads;

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "populate: %s\n", what);
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *map_raw(enum pages pages)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (pages == POOL ? MAP_HUGETLB : 0);
	size_t slack = pages == POOL ? 0 : HUGE;
	char *place = mmap(NULL, length + slack, PROT_READ | PROT_WRITE, flags, -1, 0);

	must(place != MAP_FAILED, "no address space");
	place += -(uintptr_t)place % HUGE;
	if (pages != POOL)
		madvise(place, length, pages == TRANSPARENT ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return place;
}

struct part {
	pthread_t thread;
	volatile char *place;
	size_t length;
	size_t step;
};

static void *touch(void *argument)
{
	const struct part *part = argument;

	for (size_t at = 0; at < part->length; at += part->step)
		part->place[at] = 0;
	return NULL;
}

static void touch_by_threads(char *place, enum pages pages)
{
	struct part parts[NTHREADS_MOST];
	size_t each = length / nthreads / HUGE * HUGE;

	for (size_t i = 0; i < nthreads; i++) {
		size_t from = i * each, to = i + 1 < nthreads ? from + each : length;
		parts[i] = (struct part){ .place = place + from, .length = to - from, .step = pages == SMALL ? PAGE : HUGE };
		must(pthread_create(&parts[i].thread, NULL, touch, &parts[i]) == 0, "no thread");
	}
	for (size_t i = 0; i < nthreads; i++)
		pthread_join(parts[i].thread, NULL);
}

static void populate_raw(enum pages pages, enum way way, struct figures *figures)
{
	char *place = map_raw(pages);
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);

	if (way == ONE_CALL)
		must(madvise(place, length, MADV_POPULATE_WRITE) == 0, "MADV_POPULATE_WRITE");
	else
		touch_by_threads(place, pages);
	*figures = (struct figures){ seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu };
	munmap(place, length);
}

static void populate_map(enum pages pages, struct figures *figures)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_populate_options with = FALLOW_POPULATE_OPTIONS_INIT;
	struct fallow_map *map;

	options.backing = pages == POOL ? FALLOW_BACKING_HUGETLB : FALLOW_BACKING_ANON;
	options.thp = pages == TRANSPARENT ? FALLOW_THP_ALWAYS : FALLOW_THP_NEVER;
	options.page_size = pages == POOL ? HUGE : 0;
	options.length = length;
	with.mode = FALLOW_POPULATE_WRITE;
	must(fallow_map_create(&options, &map) == 0, "no map");
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	must(fallow_map_populate_with(map, 0, length, &with) == 0, "fallow_map_populate_with");
	*figures = (struct figures){ seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu };
	fallow_map_destroy(map);
}

static void warm_host(void)
{
	pid_t child = fork();

	if (child == 0) {
		char *place = map_raw(TRANSPARENT);
		madvise(place, length, MADV_POPULATE_WRITE);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void measure(enum pages pages, enum way way, struct figures *figures)
{
	if (pages != POOL)
		warm_host();
	if (way == FALLOW)
		populate_map(pages, figures);
	else
		populate_raw(pages, way, figures);
}

static int pool_has(size_t nbytes)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	size_t nfree = 0;

	if (file == NULL)
		return 0;
	int got = fscanf(file, "%zu", &nfree);
	fclose(file);
	return got == 1 && nfree >= nbytes / HUGE;
}

static void print_row(enum pages pages, const struct figures figures[NWAYS])
{
	double best = figures[ONE_CALL].wall < figures[TOUCH].wall ? figures[ONE_CALL].wall : figures[TOUCH].wall;

	printf("| %s ", page_names[pages]);
	for (enum way way = 0; way < NWAYS; way++)
		printf("| %.3f (%.3f) ", figures[way].wall, figures[way].cpu);
	printf("| %.2f |\n", figures[FALLOW].wall / best);
	fflush(stdout);
}

static void run(enum pages pages, int nrounds)
{
	struct figures least[NWAYS], now;

	for (int round = 0; round <= nrounds; round++) {
		for (enum way way = 0; way < NWAYS; way++) {
			measure(pages, way, &now);
			/* The first round warms up. */
			if (round <= 1 || now.wall < least[way].wall)
				least[way] = now;
		}
	}
	print_row(pages, least);
}

int main(int argc, char **argv)
{
	size_t nprocessors = (size_t)sysconf(_SC_NPROCESSORS_ONLN);

	if (argc != 3 || atol(argv[1]) < 2 || atoi(argv[2]) < 1) {
		fputs("usage: populate MIB ROUNDS\n", stderr);
		return 2;
	}
	length = (size_t)atol(argv[1]) * MIB / HUGE * HUGE;
	nthreads = nprocessors < NTHREADS_MOST ? nprocessors : NTHREADS_MOST;
	printf("# Populating %zu MiB\n\n", length / MIB);
	printf("Wall seconds, and CPU seconds in brackets; %zu threads; the least of %s rounds.\n\n|  ", nthreads, argv[2]);
	for (enum way way = 0; way < NWAYS; way++)
		printf("| %s ", way_names[way]);
	printf("| fallow / best |\n|---|---|---|---|---|\n");
	for (enum pages pages = 0; pages < NPAGES; pages++) {
		if (pages == POOL && !pool_has(length))
			printf("\nThe pool has too few free pages to be measured.\n");
		else
			run(pages, atoi(argv[2]));
	}
	return 0;
}
