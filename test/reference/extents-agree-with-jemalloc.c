/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For extents-agree-with-jemalloc.sh: the same random trace through fallow's extents and through a jemalloc arena, whose
 * extents have been in use everywhere for years. Both must hand out what is aligned, does not overlap, and reads as zero
 * where they say so or were asked to; keep what is written, in growing and shrinking too; know how much is live and how much
 * memory that takes; give all idle memory back; and in the end have everything in one piece. And fallow must not take much
 * more address space for it than jemalloc.
 *
 *     extents-agree-with-jemalloc SEED [ERROR]     with an error that fallow_spoil() makes on the way
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test/reference/side.h"
#include "test/unit/random.h"

#define NSTEPS 6000
#define NEXTENTS 120
#define SPOILED_FROM (NSTEPS / 4)

/* Granules: sizes of which jemalloc has classes, so that both hand out the same. */
static const size_t sizes[] = { 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128 };
#define NSIZES (sizeof(sizes) / sizeof(sizes[0]))

static const struct side *const sides[] = { &fallow_side, &jemalloc_side };
#define NSIDES 2

struct extent {
	size_t n; /* granules; 0: none */
	uint64_t mark;
	char *at[NSIDES];
};

static struct extent extents[NEXTENTS];
static uint64_t state, nmarks;
static size_t nlive; /* granules */
static size_t most_mapped[NSIDES];

void differ(const char *side, const char *what)
{
	printf("%s: %s\n", side, what);
	exit(1);
}

static void must(bool holds, size_t side, const char *what)
{
	if (!holds)
		differ(sides[side]->name, what);
}

size_t count_resident(const char *start, size_t length)
{
	static unsigned char pages[((size_t)2 << 30) / PAGE];
	size_t n = 0;

	if (mincore((void *)(uintptr_t)start, length, pages) != 0)
		differ("mincore", "failed");
	for (size_t i = 0; i < length / PAGE; i++)
		n += pages[i] & 1;
	return n * PAGE;
}

/* Contents: a word a page. */

static uint64_t *word(const struct extent *extent, size_t side, size_t page)
{
	return (uint64_t *)(extent->at[side] + page * PAGE);
}

static void write_marks(const struct extent *extent, size_t from)
{
	for (size_t side = 0; side < NSIDES; side++) {
		for (size_t page = from * GRANULE / PAGE; page < extent->n * GRANULE / PAGE; page++)
			*word(extent, side, page) = extent->mark + page;
	}
}

static void check_marks(const struct extent *extent)
{
	for (size_t side = 0; side < NSIDES; side++) {
		for (size_t page = 0; page < extent->n * GRANULE / PAGE; page++)
			must(*word(extent, side, page) == extent->mark + page, side, "what was written is gone");
	}
}

static bool reads_zero(const char *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static void check_place(const struct extent *extent, size_t side, size_t alignment)
{
	const char *start = extent->at[side], *end = start + extent->n * GRANULE;

	must((uintptr_t)start % alignment == 0, side, "not aligned");
	for (size_t i = 0; i < NEXTENTS; i++) {
		const struct extent *other = &extents[i];
		const char *from = other->at[side], *to = from + other->n * GRANULE;
		must(other == extent || other->n == 0 || to <= start || end <= from, side, "two extents overlap");
	}
}

static void check_books(void)
{
	for (size_t side = 0; side < NSIDES; side++) {
		must(sides[side]->live() == nlive * GRANULE, side, "not as much is live as was taken");
		must(sides[side]->mapped() >= nlive * GRANULE, side, "less is mapped than is live");
		if (sides[side]->mapped() > most_mapped[side])
			most_mapped[side] = sides[side]->mapped();
	}
}

/* Steps */

static void take(struct extent *extent)
{
	static const size_t alignments[] = { GRANULE, GRANULE, GRANULE, 2 * GRANULE, 8 * GRANULE, 64 * GRANULE };
	size_t alignment = alignments[random_below(&state, 6)], n = sizes[random_below(&state, NSIZES)];
	bool wanted = random_below(&state, 3) == 0;

	extent->n = n;
	extent->mark = ++nmarks << 32;
	for (size_t side = 0; side < NSIDES; side++) {
		bool zero = wanted;
		extent->at[side] = sides[side]->take(n, alignment, &zero);
		check_place(extent, side, alignment);
		must(!zero || reads_zero(extent->at[side], n * GRANULE), side, "not zero, though it says so");
	}
	nlive += n;
	write_marks(extent, 0);
}

static void put(struct extent *extent)
{
	check_marks(extent);
	for (size_t side = 0; side < NSIDES; side++)
		sides[side]->put(extent->at[side], extent->n);
	nlive -= extent->n;
	extent->n = 0;
}

/* Where only one has room both stay as they were. */
static void resize(struct extent *extent)
{
	size_t n = extent->n, to = sizes[random_below(&state, NSIZES)];
	bool done[NSIDES];

	if (n == to)
		return;
	for (size_t side = 0; side < NSIDES; side++)
		done[side] = sides[side]->resize(extent->at[side], n, to);
	must(to > n || (done[0] && done[1]), 0, "shrinking failed, or did there");
	for (size_t side = 0; side < NSIDES; side++) {
		if (done[side] && !done[1 - side])
			must(sides[side]->resize(extent->at[side], to, n), side, "what has grown cannot shrink");
	}
	if (done[0] && done[1]) {
		nlive += to - n;
		extent->n = to;
	}
	for (size_t side = 0; side < NSIDES; side++)
		check_place(extent, side, GRANULE);
	if (extent->n > n)
		write_marks(extent, n);
	check_marks(extent);
}

static void purge(void)
{
	for (size_t side = 0; side < NSIDES; side++) {
		sides[side]->purge();
		size_t resident = sides[side]->resident();
		must(resident >= nlive * GRANULE, side, "less is in memory than is live");
		must(resident <= nlive * GRANULE + sides[side]->slack, side, "idle memory was not given back");
	}
}

static void step(void)
{
	struct extent *extent = &extents[random_below(&state, NEXTENTS)];
	size_t choice = random_below(&state, 100);

	if (choice == 0)
		purge();
	else if (extent->n == 0)
		take(extent);
	else if (choice < 25)
		resize(extent);
	else
		put(extent);
	check_books();
}

static void spoil(const char **error)
{
	struct extent *extent = &extents[random_below(&state, NEXTENTS)];

	if (*error && extent->n != 0 && fallow_spoil(*error, extent->at[0]))
		*error = NULL;
}

int main(int argc, char **argv)
{
	const char *error = argc > 2 ? argv[2] : NULL;

	if (argc < 2)
		return 2;
	state = strtoull(argv[1], NULL, 0);
	for (size_t side = 0; side < NSIDES; side++)
		sides[side]->begin();
	for (size_t i = 0; i < NSTEPS; i++) {
		step();
		if (i >= SPOILED_FROM)
			spoil(&error);
	}
	for (size_t i = 0; i < NEXTENTS; i++) {
		if (extents[i].n != 0)
			put(&extents[i]);
	}
	purge();
	check_books();
	for (size_t side = 0; side < NSIDES; side++)
		must(sides[side]->is_whole(), side, "what is free is not in one piece");
	printf("seed %s: at most %zu KiB mapped, jemalloc %zu KiB\n", argv[1], most_mapped[0] >> 10, most_mapped[1] >> 10);
	/* fallow maps more by a quarter of what it has, where it needs any more. */
	must(most_mapped[0] <= most_mapped[1] + most_mapped[1] / 2, 0, "takes much more address space than jemalloc");
	return 0;
}
