/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a page of fresh memory costs: CPU time a 4 KiB page on first use and in steady churn, and what stays.
 *
 *   fresh-pages HOW BLOCK_KIB VOLUME_MIB CHURN_MS REST_MS
 *
 * HOW is malloc, or one of the raw ways that bound it: fault (a mapping a
 * block, touched), populate (the same with MADV_POPULATE_WRITE), huge (one
 * region of huge pages, populated), resident (memory that is there already), memset
 * (the same, each page written whole). Otherwise one byte of each page is written.
 *
 * First use takes VOLUME in blocks that live together. Churn takes an eighth
 * of it, writes it, frees it, again, for CHURN_MS. Then everything is free; resident
 * memory is read at once and after REST_MS, in which the program does nothing.
 */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "loads/load.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGE = 4096, HUGE = 2 << 20 };

struct way {
	const char *name;
	void *(*take)(size_t size);
	void (*put)(void *block, size_t size);
	void (*write)(void *block, size_t size);
};

static char *region;
static size_t region_size, region_used;

static void *mapped_must(size_t size)
{
	void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return load_must(block == MAP_FAILED ? NULL : block);
}

static void *malloc_take(size_t size)
{
	return load_must(malloc(size));
}

static void malloc_put(void *block, size_t size)
{
	(void)size;
	free(block);
}

static void mapped_put(void *block, size_t size)
{
	munmap(block, size);
}

static void *populated_take(size_t size)
{
	void *block = mapped_must(size);

	return load_must(madvise(block, size, MADV_POPULATE_WRITE) ? NULL : block);
}

/* Blocks of the one region lie one after the other; the last one that is given back empties it. */
static void *region_take(size_t size)
{
	void *block = region + region_used;

	region_used += size;
	return block;
}

static void *huge_take(size_t size)
{
	char *block = region_take(size);
	char *begin = (char *)(((uintptr_t)block + HUGE - 1) & ~(uintptr_t)(HUGE - 1));

	/* A block pays for the huge pages that begin in it. */
	for (; begin < block + size; begin += HUGE)
		load_must(madvise(begin, HUGE, MADV_POPULATE_WRITE) ? NULL : begin);
	return block;
}

static void region_put(void *block, size_t size)
{
	(void)block;
	region_used -= size;
}

static void huge_put(void *block, size_t size)
{
	region_put(block, size);
	if (!region_used)
		madvise(region, region_size, MADV_DONTNEED);
}

static void whole_write(void *block, size_t size)
{
	memset(block, 1, size);
}

static const struct way ways[] = {
	{"malloc", malloc_take, malloc_put, load_touch},
	{"fault", mapped_must, mapped_put, load_touch},
	{"populate", populated_take, mapped_put, load_touch},
	{"huge", huge_take, huge_put, load_touch},
	{"resident", region_take, region_put, load_touch},
	{"memset", region_take, region_put, whole_write},
};

static void region_prepare(const struct way *way, size_t volume)
{
	/* The last block may begin a huge page that it does not fill. */
	region_size = volume + HUGE;
	char *mapping = mapped_must(region_size + HUGE);

	region = (char *)(((uintptr_t)mapping + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	if (way->take == huge_take)
		madvise(region, region_size, MADV_HUGEPAGE);
	if (way->take == region_take)
		load_touch(region, volume);
}

/*
 * A host that takes back free memory makes its first touch many times as dear. A child takes more than will be
 * wanted, in the same order, and ends: what it leaves is first in the kernel's lists, and still there.
 */
static void host_warm(size_t volume)
{
	pid_t child = fork();

	if (child == 0) {
		size_t size = volume + volume / 4 + HUGE;
		char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (memory != MAP_FAILED) {
			madvise(memory, size, MADV_HUGEPAGE);
			madvise(memory, size, MADV_POPULATE_WRITE);
		}
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void blocks_take(const struct way *way, void **blocks, size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		blocks[i] = way->take(size);
		way->write(blocks[i], size);
	}
}

static void blocks_put(const struct way *way, void **blocks, size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++)
		way->put(blocks[i], size);
}

/* CPU time a page of takes, writes and puts over and over; the first round is not counted. */
static double churn_run(const struct way *way, void **blocks, size_t count, size_t size, double churn_ns)
{
	double begin = 0, end = 0;
	long rounds = -1;

	do {
		if (rounds == 0)
			begin = cpu_ns();
		blocks_take(way, blocks, count, size);
		blocks_put(way, blocks, count, size);
		rounds++;
		end = cpu_ns();
	} while (rounds < 3 || end - begin < churn_ns);
	return (end - begin) / (double)rounds / (double)(count * (size / PAGE));
}

int main(int argc, char **argv)
{
	const struct way *way = NULL;

	for (size_t i = 0; argc == 6 && i < sizeof ways / sizeof ways[0]; i++)
		if (!strcmp(argv[1], ways[i].name))
			way = &ways[i];
	if (!way) {
		fputs("usage: fresh-pages malloc|fault|populate|huge|resident|memset BLOCK_KIB VOLUME_MIB CHURN_MS REST_MS\n", stderr);
		return 2;
	}
	size_t size = strtoul(argv[2], NULL, 10) << 10, volume = strtoul(argv[3], NULL, 10) << 20;
	size_t count = volume / size, churned = count / 8 ? count / 8 : 1;
	double churn_ns = strtod(argv[4], NULL) * 1e6;
	long rest_ms = strtol(argv[5], NULL, 10);
	struct timespec rest = {rest_ms / 1000, rest_ms % 1000 * 1000000L};
	/* The table of blocks is no part of the heap that is measured. */
	void **blocks = mapped_must(count * sizeof *blocks);

	load_touch(blocks, count * sizeof *blocks);
	host_warm(volume);
	region_prepare(way, volume);
	long base = load_resident_kib();
	double begin = cpu_ns();
	blocks_take(way, blocks, count, size);
	double first = (cpu_ns() - begin) / (double)(count * (size / PAGE));
	blocks_put(way, blocks, count, size);
	double churn = churn_run(way, blocks, churned, size, churn_ns);
	long freed = load_resident_kib() - base;
	nanosleep(&rest, NULL);
	printf("fresh first_ns=%.1f churn_ns=%.1f freed_kib=%ld rested_kib=%ld\n", first, churn, freed,
		   load_resident_kib() - base);
	return 0;
}
