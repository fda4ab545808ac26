/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that tell whose they are: each block gets a seed, and a byte that another block wrote is found out.
 */
#ifndef TEST_API_PATTERN_H
#define TEST_API_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline unsigned char pattern_byte(uint64_t seed, size_t i)
{
	return (unsigned char)((seed * 0x9e3779b97f4a7c15u + i * 0xff51afd7ed558ccdu) >> 56);
}

static inline void pattern_write(void *block, size_t size, uint64_t seed)
{
	unsigned char *bytes = block;

	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern_byte(seed, i);
}

/* The first size bytes are those of the seed. */
static inline bool pattern_holds(const void *block, size_t size, uint64_t seed)
{
	const unsigned char *bytes = block;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != pattern_byte(seed, i))
			return false;
	return true;
}

static inline bool pattern_zero(const void *block, size_t size)
{
	const unsigned char *bytes = block;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* A small generator with a seed of the test's own. */
static inline uint64_t pattern_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 24;
}

#endif
