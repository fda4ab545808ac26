/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs of bits in 64-bit words and in long bitmaps. Bit 0 is the lowest address.
 */
#ifndef FL_BASE_BITS_H
#define FL_BASE_BITS_H

#include "base/base.h"

#define FL_WORD_BITS 64

/* n bits from bit start on; 1 <= n, start + n <= 64. */
static inline uint64_t fl_bits_mask(unsigned int start, unsigned int n)
{
	return (~UINT64_C(0) >> (64 - n)) << start;
}

/* A bit for each place where a run of at least n set bits starts; 1 <= n <= 64. */
static inline uint64_t fl_bits_run_starts(uint64_t word, unsigned int n)
{
	unsigned int have = 1;

	for (; have * 2 <= n; have *= 2)
		word &= word >> have;
	if (have < n)
		word &= word >> (n - have);
	return word;
}

/* Length of the longest run of set bits. */
static inline unsigned int fl_bits_longest_run(uint64_t word)
{
	unsigned int n = 0;

	if (word == ~UINT64_C(0))
		return 64;
	for (; word != 0; word &= word >> 1)
		n++;
	return n;
}

static inline void fl_bitmap_set(uint64_t *map, size_t bit)
{
	map[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static inline void fl_bitmap_clear(uint64_t *map, size_t bit)
{
	map[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

static inline bool fl_bitmap_test(const uint64_t *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

/* The first set bit at or after from, or nbits when there is none before it. */
static inline size_t fl_bitmap_next(const uint64_t *map, size_t nbits, size_t from)
{
	size_t word = from / 64;

	if (from >= nbits)
		return nbits;
	uint64_t bits = map[word] & (~UINT64_C(0) << (from % 64));
	while (bits == 0) {
		if (++word * 64 >= nbits)
			return nbits;
		bits = map[word];
	}
	return fl_min(word * 64 + (size_t)__builtin_ctzll(bits), nbits);
}

/* The first clear bit at or after from, or nbits. */
static inline size_t fl_bitmap_next_clear(const uint64_t *map, size_t nbits, size_t from)
{
	size_t word = from / 64;

	if (from >= nbits)
		return nbits;
	uint64_t bits = ~map[word] & (~UINT64_C(0) << (from % 64));
	while (bits == 0) {
		if (++word * 64 >= nbits)
			return nbits;
		bits = ~map[word];
	}
	return fl_min(word * 64 + (size_t)__builtin_ctzll(bits), nbits);
}

#endif
