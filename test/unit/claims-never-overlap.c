/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that address ranges claimed at the same time do not overlap, are aligned, that what is put back can be had again
 * in one piece, that the longest claim can be had where addresses abound, and that too much is -ENOMEM.
 */
#include "meta/claim.h"

#include <errno.h>
#include <stdlib.h>

#include "test/lib/test.h"
#include "test/unit/random.h"

#define NCLAIMS 60
#define NROUNDS 4000

struct claim {
	uintptr_t base;
	size_t length; /* 0: none */
};

static void assert_apart(const struct claim *claims, const struct claim *one)
{
	for (const struct claim *other = claims; other < claims + NCLAIMS; other++) {
		if (other != one && other->length != 0)
			assert_true(one->base + one->length <= other->base || other->base + other->length <= one->base);
	}
}

static void put_all(struct claim *claims)
{
	for (int i = 0; i < NCLAIMS; i++) {
		if (claims[i].length != 0)
			fl_claim_put(claims[i].base, claims[i].length);
		claims[i].length = 0;
	}
}

/* A length to claim: mostly small beside all there is. */
static size_t random_length(uint64_t *random)
{
	size_t most = fl_max(fl_claim_longest() / NCLAIMS / 2, 1);

	return 1 + random_below(random, random_below(random, 4) ? fl_min(most, 8 * FL_GIB) : most);
}

static void claims_are_apart(void **state)
{
	struct claim claims[NCLAIMS] = { 0 };
	uint64_t random = SEED;
	int ntaken = 0;

	(void)state;
	for (int i = 0; i < NROUNDS; i++) {
		struct claim *claim = &claims[random_below(&random, NCLAIMS)];

		if (claim->length != 0) {
			fl_claim_put(claim->base, claim->length);
			claim->length = 0;
			continue;
		}
		size_t length = random_length(&random);
		if (fl_claim_take(length, &claim->base) != 0)
			continue;
		claim->length = length;
		assert_int_equal(claim->base % FL_CLAIM_ALIGNMENT, 0);
		assert_apart(claims, claim);
		ntaken++;
	}
	assert_true(ntaken > NROUNDS / 4);
	put_all(claims);
}

/* However the parts were put back, the whole is there afterwards. */
static void what_is_put_back_grows_together(void **state)
{
	struct claim claims[NCLAIMS];
	size_t longest = fl_claim_longest(), order[NCLAIMS];
	size_t n = fl_min(NCLAIMS, longest / 4 / FL_CLAIM_ALIGNMENT);
	uint64_t random = SEED;
	uintptr_t base;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		claims[i].length = longest / n / 4;
		assert_int_equal(fl_claim_take(claims[i].length, &claims[i].base), 0);
		order[i] = i;
	}
	for (size_t i = n; i-- > 1;) {
		size_t j = random_below(&random, i + 1), swapped = order[i];

		order[i] = order[j];
		order[j] = swapped;
	}
	for (size_t i = 0; i < n; i++)
		fl_claim_put(claims[order[i]].base, claims[order[i]].length);
	assert_int_equal(fl_claim_longest(), longest);
	assert_int_equal(fl_claim_take(longest, &base), 0);
	fl_claim_put(base, longest);
	assert_int_equal(fl_claim_longest(), longest);
}

static void too_much_is_refused(void **state)
{
	struct claim claims[NCLAIMS] = { 0 };
	size_t longest = fl_claim_longest();
	uintptr_t base = 1;
	int n = 0;

	(void)state;
	assert_int_equal(fl_claim_take(65 * FL_TIB, &base), -ENOMEM);
	assert_int_equal(fl_claim_take(SIZE_MAX, &base), -ENOMEM);
	assert_int_equal(fl_claim_take(SIZE_MAX - FL_GIB, &base), -ENOMEM);
	while (n < NCLAIMS && fl_claim_take(longest, &claims[n].base) == 0)
		claims[n++].length = longest;
	assert_in_range(n, 1, 8);
	assert_int_equal(fl_claim_take(longest, &base), -ENOMEM);
	put_all(claims);
	assert_int_equal(fl_claim_longest(), longest);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_are_apart),
		cmocka_unit_test(what_is_put_back_grows_together),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
