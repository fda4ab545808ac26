/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that runs of bits and the next set or clear bit are what looking at every bit by itself says.
 */
#include "base/bits.h"

#include <string.h>

#include "test/lib/test.h"
#include "test/unit/random.h"

#define NWORDS 5
#define NBITS (NWORDS * 64)
#define NROUNDS 400

/* Length of the run of set bits that starts at a bit. */
static unsigned int run_at(uint64_t word, unsigned int bit)
{
	unsigned int n = 0;

	while (bit + n < 64 && word >> (bit + n) & 1)
		n++;
	return n;
}

/* Words of few, many and single bits, and the extremes. */
static uint64_t random_word(uint64_t *random)
{
	uint64_t a = random_next(random), b = random_next(random);

	switch (random_below(random, 6)) {
	case 0:
		return a & b;
	case 1:
		return a | b;
	case 2:
		return UINT64_C(1) << (a & 63);
	case 3:
		return ~(UINT64_C(1) << (a & 63));
	case 4:
		return a & 1 ? ~UINT64_C(0) : 0;
	default:
		return a;
	}
}

static void masks_have_their_bits(void **state)
{
	(void)state;
	for (unsigned int start = 0; start < 64; start++) {
		for (unsigned int n = 1; start + n <= 64; n++) {
			uint64_t mask = fl_bits_mask(start, n);

			for (unsigned int bit = 0; bit < 64; bit++)
				assert_int_equal(mask >> bit & 1, bit >= start && bit < start + n);
		}
	}
}

static void runs_start_where_they_fit(void **state)
{
	uint64_t random = SEED;

	(void)state;
	for (int i = 0; i < NROUNDS; i++) {
		uint64_t word = random_word(&random);
		unsigned int longest = 0;

		for (unsigned int bit = 0; bit < 64; bit++)
			longest = run_at(word, bit) > longest ? run_at(word, bit) : longest;
		assert_int_equal(fl_bits_longest_run(word), longest);
		for (unsigned int n = 1; n <= 64; n++) {
			uint64_t starts = fl_bits_run_starts(word, n);

			for (unsigned int bit = 0; bit < 64; bit++)
				assert_int_equal(starts >> bit & 1, run_at(word, bit) >= n);
		}
	}
}

static void the_next_bit_is_found(void **state)
{
	uint64_t map[NWORDS], random = SEED;

	(void)state;
	for (int i = 0; i < NROUNDS / 10; i++) {
		for (size_t w = 0; w < NWORDS; w++)
			map[w] = random_word(&random);
		for (size_t nbits = 1; nbits <= NBITS; nbits += 1 + random_below(&random, 40)) {
			for (size_t from = 0; from <= nbits; from++) {
				size_t set = from, clear = from;

				while (set < nbits && !(map[set / 64] >> set % 64 & 1))
					set++;
				while (clear < nbits && map[clear / 64] >> clear % 64 & 1)
					clear++;
				assert_int_equal(fl_bitmap_next(map, nbits, from), set);
				assert_int_equal(fl_bitmap_next_clear(map, nbits, from), clear);
			}
		}
	}
}

static void single_bits_are_set_cleared_and_tested(void **state)
{
	uint64_t map[NWORDS] = { 0 }, random = SEED;
	bool model[NBITS] = { false };

	(void)state;
	for (int i = 0; i < 5000; i++) {
		size_t bit = random_below(&random, NBITS);

		model[bit] = random_next(&random) & 1;
		if (model[bit])
			fl_bitmap_set(map, bit);
		else
			fl_bitmap_clear(map, bit);
		for (size_t b = bit > 2 ? bit - 2 : 0; b < NBITS && b <= bit + 2; b++)
			assert_int_equal(fl_bitmap_test(map, b), model[b]);
	}
}

static void arithmetic_holds_at_its_ends(void **state)
{
	(void)state;
	assert_int_equal(fl_align_up(0, 4096), 0);
	assert_int_equal(fl_align_up(1, 4096), 4096);
	assert_int_equal(fl_align_up(SIZE_MAX, 4096), 0);
	assert_int_equal(fl_align_down(4095, 4096), 0);
	assert_int_equal(fl_div_up(SIZE_MAX, 2), SIZE_MAX / 2 + 1);
	assert_false(fl_is_power_of_two(0));
	for (unsigned int shift = 0; shift < 64; shift++) {
		size_t power = (size_t)1 << shift;

		assert_true(fl_is_power_of_two(power));
		assert_int_equal(fl_log2_floor(power), shift);
		assert_int_equal(fl_log2_ceil(power), shift);
		if (shift > 1) {
			assert_false(fl_is_power_of_two(power - 1));
			assert_int_equal(fl_log2_floor(power - 1), shift - 1);
			assert_int_equal(fl_log2_ceil(power - 1), shift);
			assert_int_equal(fl_log2_floor(power + 1), shift);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_have_their_bits),
		cmocka_unit_test(runs_start_where_they_fit),
		cmocka_unit_test(the_next_bit_is_found),
		cmocka_unit_test(single_bits_are_set_cleared_and_tested),
		cmocka_unit_test(arithmetic_holds_at_its_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
