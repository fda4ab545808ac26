/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic on small numbers that each live in a block of their own: 16 to 64 bytes, dead after a step or two.
 *
 * The convergents of continued fractions of square roots: p' = a p + p'', q' = a q + q'', each product and sum a
 * fresh number, restarted when they outgrow 48 bytes of digits.
 */

#include "load.h"

struct number {
	uint32_t count;
	uint32_t digits[];
};

static struct number *number_make(uint32_t count)
{
	struct number *number = load_must(malloc(sizeof *number + count * sizeof number->digits[0]));

	number->count = count;
	return number;
}

static struct number *number_from(uint32_t value)
{
	struct number *number = number_make(1);

	number->digits[0] = value;
	return number;
}

static struct number *number_times(const struct number *a, uint32_t b)
{
	struct number *product = number_make(a->count + 1);
	uint64_t carry = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		carry += (uint64_t)a->digits[i] * b;
		product->digits[i] = (uint32_t)carry;
		carry >>= 32;
	}
	product->digits[a->count] = (uint32_t)carry;
	product->count -= carry == 0;
	return product;
}

static struct number *number_plus(const struct number *a, const struct number *b)
{
	uint32_t most = a->count > b->count ? a->count : b->count;
	struct number *sum = number_make(most + 1);
	uint64_t carry = 0;

	for (uint32_t i = 0; i < most; i++) {
		carry += (i < a->count ? a->digits[i] : 0) + (uint64_t)(i < b->count ? b->digits[i] : 0);
		sum->digits[i] = (uint32_t)carry;
		carry >>= 32;
	}
	sum->digits[most] = (uint32_t)carry;
	sum->count -= carry == 0;
	return sum;
}

/* last, before = a * last + before, last; both old numbers that are no longer needed are freed. */
static void convergent_step(struct number **last, struct number **before, uint32_t a)
{
	struct number *product = number_times(*last, a);
	struct number *next = number_plus(product, *before);

	free(product);
	free(*before);
	*before = *last;
	*last = next;
}

int main(int argc, char **argv)
{
	long roots = load_scaled(argc, argv, 300000);
	uint64_t check = 0;
	long steps = 0;

	for (long root = 2; root < roots + 2; root++) {
		uint32_t whole = 1, m = 0, d = 1, a;
		struct number *p = number_from(1), *p_before = number_from(0);
		struct number *q = number_from(0), *q_before = number_from(1);

		while ((uint64_t)(whole + 1) * (whole + 1) <= (uint64_t)root)
			whole++;
		for (a = whole; p->count < 12 && steps % 64 != 63; steps++) {
			convergent_step(&p, &p_before, a);
			convergent_step(&q, &q_before, a);
			m = d * a - m;
			d = (uint32_t)((root - (long)m * m) / d);
			if (!d)
				break;
			a = (whole + m) / d;
		}
		steps++;
		check += p->digits[0] ^ q->digits[0];
		free(p);
		free(p_before);
		free(q);
		free(q_before);
	}
	load_report("bignum", steps, check);
	return 0;
}
