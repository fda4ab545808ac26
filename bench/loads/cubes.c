/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logic minimiser: covers of bit sets that are copied, intersected, compacted and thrown away.
 *
 * A cover is an array of small sets that grows by realloc; set sizes depend on
 * the problem at hand, from two words to a kilobyte.
 */

#include "load.h"

struct cover {
	uint64_t **sets;
	size_t count, room, words;
};

static void cover_add(struct cover *cover, uint64_t *set)
{
	if (cover->count == cover->room) {
		cover->room = cover->room ? cover->room * 2 : 8;
		cover->sets = load_must(realloc(cover->sets, cover->room * sizeof *cover->sets));
	}
	cover->sets[cover->count++] = set;
}

static void cover_free(struct cover *cover)
{
	for (size_t i = 0; i < cover->count; i++)
		free(cover->sets[i]);
	free(cover->sets);
}

static struct cover cover_random(uint64_t *state, size_t count, size_t words)
{
	struct cover cover = {.words = words};

	for (size_t i = 0; i < count; i++) {
		uint64_t *set = load_must(malloc(words * sizeof *set));

		for (size_t w = 0; w < words; w++)
			set[w] = load_random(state) | load_random(state) << 20;
		cover_add(&cover, set);
	}
	return cover;
}

/* All non-empty intersections of one set with a cover. */
static struct cover cover_restrict(const struct cover *cover, const uint64_t *with)
{
	struct cover result = {.words = cover->words};

	for (size_t i = 0; i < cover->count; i++) {
		uint64_t *set = load_must(malloc(cover->words * sizeof *set));
		uint64_t any = 0;

		for (size_t w = 0; w < cover->words; w++)
			any |= set[w] = cover->sets[i][w] & with[w];
		if (any % 3)
			cover_add(&result, set);
		else
			free(set);
	}
	return result;
}

static uint64_t cover_reduce(const struct cover *cover, int depth)
{
	uint64_t check = cover->count;

	for (size_t i = 0; depth && i < cover->count; i += 8) {
		struct cover part = cover_restrict(cover, cover->sets[i]);

		check += cover_reduce(&part, depth - 1);
		cover_free(&part);
	}
	return check;
}

int main(int argc, char **argv)
{
	long problems = load_scaled(argc, argv, 8000);
	uint64_t state = load_seed(0), check = 0;

	for (long p = 0; p < problems; p++) {
		struct cover cover = cover_random(&state, load_between(&state, 20, 120), load_size_skewed(&state, 1000) / 8 + 1);

		check += cover_reduce(&cover, 2);
		cover_free(&cover);
	}
	load_report("cubes", problems, check);
	return 0;
}
