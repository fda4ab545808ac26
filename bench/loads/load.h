/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every load program shares: scale, seed, checks and the result line.
 *
 * A load is a program that stands for a way of using memory. It takes a scale
 * in percent, which changes how long it works and never how much is alive at
 * once, so that peak memory compares between scales. It prints one line of
 * key=value words at its end and exits 1 where memory it was given is wrong.
 */

#ifndef FALLOW_BENCH_LOAD_H
#define FALLOW_BENCH_LOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The load's own work: fixed sequences, the same on every run and allocator. */
static inline uint64_t load_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull >> 16;
}

static inline uint64_t load_seed(unsigned thread)
{
	return 0x9e3779b97f4a7c15ull * (thread + 1);
}

static inline size_t load_between(uint64_t *state, size_t low, size_t high)
{
	return low + load_random(state) % (high - low + 1);
}

/* Sizes as programs ask for them: half of them below 64 bytes, each doubling half as likely as the one before. */
static inline size_t load_size_skewed(uint64_t *state, size_t high)
{
	size_t top = 64;

	while (top < high && load_random(state) & 1)
		top *= 2;
	return load_between(state, 8, top < high ? top : high);
}

static inline void *load_must(void *block)
{
	if (!block) {
		fputs("load: no memory\n", stderr);
		_exit(1);
	}
	return block;
}

static inline void load_check(int holds)
{
	if (!holds) {
		fputs("load: memory does not hold what was written\n", stderr);
		_exit(1);
	}
}

/* Writes a mark at both ends of a block, and finds it again. */
static inline void load_mark(void *block, size_t size)
{
	unsigned char *bytes = (unsigned char *)block;

	bytes[0] = (unsigned char)size;
	bytes[size - 1] = (unsigned char)size;
}

static inline void load_mark_check(const void *block, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)block;

	load_check(bytes[0] == (unsigned char)size && bytes[size - 1] == (unsigned char)size);
}

/* Writes one byte to each 4 KiB of a block. */
static inline void load_touch(void *block, size_t size)
{
	volatile unsigned char *bytes = (volatile unsigned char *)block;

	for (size_t at = 0; at < size; at += 4096)
		bytes[at] = 1;
	bytes[size - 1] = 1;
}

/* The first argument is the scale in percent of the default work. */
static inline long load_scaled(int argc, char **argv, long rounds)
{
	long percent = argc > 1 ? strtol(argv[1], NULL, 10) : 100;

	if (percent < 1 || percent > 10000) {
		fprintf(stderr, "usage: %s [scale in percent, 1 to 10000]\n", argv[0]);
		exit(2);
	}
	rounds = rounds * percent / 100;
	return rounds > 0 ? rounds : 1;
}

/* Reads without stdio, which would allocate. */
static inline long load_resident_kib(void)
{
	char text[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	char *resident;

	if (fd >= 0)
		close(fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	resident = strchr(text, ' ');
	return resident ? strtol(resident, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024) : -1;
}

/* The result line. resident is what stays after the load has freed everything. */
static inline void load_report(const char *name, long operations, uint64_t check)
{
	printf("%s operations=%ld check=%llx resident_kib=%ld\n", name, operations, (unsigned long long)check,
		   load_resident_kib());
}

#endif
