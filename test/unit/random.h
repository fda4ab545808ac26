/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random numbers that are the same in every run: a test starts its state with SEED, or with a number of its own.
 */
#ifndef TEST_UNIT_RANDOM_H
#define TEST_UNIT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define SEED UINT64_C(0x5eed)

/* SplitMix64 (G. Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014). */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 to n - 1; n > 0. */
static inline size_t random_below(uint64_t *state, size_t n)
{
	return random_next(state) % n;
}

#endif
