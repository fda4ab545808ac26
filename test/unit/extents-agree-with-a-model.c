/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves with random traces that extents are what a simple model says: first fit at the lowest address that obeys
 * alignment and unit bounds, never overlapping; *zero true exactly where nothing was written since the memory came;
 * growing in place exactly where there is room; purging everything that is idle and nothing else; and that the counters
 * of bytes taken and present are the model's after every step. The contents of all that is taken stay.
 *
 * The model is an array of granules. Traces run on ordinary memory, on a memfd, and on huge pages of a memfd.
 */
#include "extent/extent.h"

#include "diag/options.h"
#include "test/lib/lives.h"
#include "test/unit/random.h"

#define NGRANULES 2048
#define NEXTENTS 300
#define NSTEPS 6000
#define CHECKED 4096 /* of each so many bytes the first word is written and looked at */

struct granule {
	bool taken;
	bool present;
	bool dirty;
};

struct extent {
	size_t granule;
	size_t n; /* 0: none */
	size_t npopulated;
	size_t nwritten;
	uint64_t mark;
};

struct trace {
	struct fl_region *region;
	struct granule granules[NGRANULES];
	struct extent extents[NEXTENTS];
	uint64_t random;
	uint64_t nmarks;
	unsigned int nzero;
	unsigned int nnot_zero;
};

/* The model */

static bool may_start(const struct trace *trace, size_t granule, size_t n, size_t alignment)
{
	uintptr_t address = trace->region->base + (granule << FL_GRANULE_SHIFT);

	if (address % alignment != 0)
		return false;
	return n <= FL_UNIT_GRANULES ? granule % 64 + n <= 64 : granule % 64 == 0;
}

static bool is_free(const struct trace *trace, size_t granule, size_t n)
{
	for (size_t i = granule; i < granule + n; i++) {
		if (trace->granules[i].taken)
			return false;
	}
	return true;
}

/* The lowest place below end, SIZE_MAX when there is none. */
static size_t first_fit(const struct trace *trace, size_t end, size_t n, size_t alignment)
{
	for (size_t granule = 0; granule + n <= end; granule++) {
		if (may_start(trace, granule, n, alignment) && is_free(trace, granule, n))
			return granule;
	}
	return SIZE_MAX;
}

static size_t count(const struct trace *trace, bool taken, bool present)
{
	size_t n = 0;

	for (size_t i = 0; i < NGRANULES; i++)
		n += (!taken || trace->granules[i].taken) && (!present || trace->granules[i].present);
	return n << FL_GRANULE_SHIFT;
}

static void check_counters(const struct trace *trace)
{
	must_equal(trace->region->taken, count(trace, true, false));
	must_equal(trace->region->present, count(trace, false, true));
}

/* Contents */

static uint64_t *word_at(const struct trace *trace, const struct extent *extent, size_t offset)
{
	return (uint64_t *)((char *)fl_granule_address(trace->region, extent->granule) + offset);
}

static void write_marks(struct trace *trace, struct extent *extent, size_t nwritten)
{
	extent->mark = ++trace->nmarks << 32;
	extent->nwritten = nwritten;
	for (size_t offset = 0; offset < nwritten << FL_GRANULE_SHIFT; offset += CHECKED)
		*word_at(trace, extent, offset) = extent->mark + offset;
	for (size_t i = 0; i < nwritten; i++)
		trace->granules[extent->granule + i].dirty = true;
}

static void check_marks(const struct trace *trace, const struct extent *extent)
{
	for (size_t offset = 0; offset < extent->nwritten << FL_GRANULE_SHIFT; offset += CHECKED)
		must_equal(*word_at(trace, extent, offset), extent->mark + offset);
}

static bool reads_zero(const struct trace *trace, const struct extent *extent, size_t from)
{
	for (size_t offset = from << FL_GRANULE_SHIFT; offset < extent->n << FL_GRANULE_SHIFT; offset += sizeof(uint64_t)) {
		if (*word_at(trace, extent, offset) != 0)
			return false;
	}
	return true;
}

/* Steps */

static struct extent *any_extent(struct trace *trace)
{
	return &trace->extents[random_below(&trace->random, NEXTENTS)];
}

static size_t random_length(uint64_t *random)
{
	switch (random_below(random, 10)) {
	case 0:
		return 65 + random_below(random, 240);
	case 1:
	case 2:
		return 1 + random_below(random, 64);
	default:
		return 1 + random_below(random, 8);
	}
}

static void mark_taken(struct trace *trace, size_t granule, size_t n, bool taken)
{
	for (size_t i = granule; i < granule + n; i++) {
		must(trace->granules[i].taken != taken);
		trace->granules[i].taken = taken;
	}
}

static void take(struct trace *trace, struct extent *extent)
{
	static const size_t alignments[] = { 1, 1, 1, FL_GRANULE, 2 * FL_GRANULE, 16 * FL_GRANULE, FL_UNIT, 4 * FL_UNIT };
	size_t n = random_length(&trace->random), granule;
	size_t alignment = alignments[random_below(&trace->random, FL_LENGTH(alignments))];
	size_t before = trace->region->frontier, expected = first_fit(trace, before, n, alignment);
	struct fl_failure failure = fl_extent_take(trace->region, n, alignment, &granule);

	if (expected != SIZE_MAX)
		must_equal(trace->region->frontier, before);
	else
		expected = first_fit(trace, trace->region->frontier, n, alignment);
	if (failure.reason != FALLOW_REASON_NONE) {
		must_equal(failure.reason, FALLOW_REASON_ADDRESS_SPACE);
		must(first_fit(trace, NGRANULES, n, alignment) == SIZE_MAX);
		return;
	}
	must_equal(granule, expected);
	mark_taken(trace, granule, n, true);
	*extent = (struct extent){ .granule = granule, .n = n };
}

/* Bring in what of the extent is not there yet: all of it, or what it was extended by. */
static void populate(struct trace *trace, struct extent *extent)
{
	size_t page = trace->region->page_granules, n = extent->n - extent->npopulated;
	size_t from = extent->granule + extent->npopulated, to = fl_align_up(from + n, page);
	bool zero, clean = true;

	for (size_t i = from; i < from + n; i++)
		clean = clean && !trace->granules[i].dirty;
	must_equal(fl_extent_populate(trace->region, from, n, FL_USE_UNKNOWN, &zero).reason, FALLOW_REASON_NONE);
	must_equal(zero, clean);
	if (zero)
		must(reads_zero(trace, extent, extent->npopulated));
	++*(zero ? &trace->nzero : &trace->nnot_zero);
	for (size_t i = fl_align_down(from, page); i < to; i++)
		trace->granules[i].present = true;
	extent->npopulated = extent->n;
	write_marks(trace, extent, fl_max(extent->nwritten, random_below(&trace->random, extent->n + 1)));
}

static void put(struct trace *trace, struct extent *extent)
{
	check_marks(trace, extent);
	fl_extent_put(trace->region, extent->granule, extent->n, extent->nwritten);
	mark_taken(trace, extent->granule, extent->n, false);
	extent->n = 0;
}

/* As large blocks shrink: the tail goes, the head stays. */
static void put_tail(struct trace *trace, struct extent *extent)
{
	size_t kept = 1 + random_below(&trace->random, extent->n), tail = extent->n - kept;

	if (tail == 0)
		return;
	fl_extent_put(trace->region, extent->granule + kept, tail, fl_max(extent->nwritten, kept) - kept);
	mark_taken(trace, extent->granule + kept, tail, false);
	extent->n = kept;
	extent->npopulated = fl_min(extent->npopulated, kept);
	extent->nwritten = fl_min(extent->nwritten, kept);
}

static void extend(struct trace *trace, struct extent *extent)
{
	size_t more = 1 + random_below(&trace->random, 20), from = extent->granule + extent->n;
	bool expected = from + more <= NGRANULES && is_free(trace, from, more);

	must_equal(fl_extent_extend(trace->region, extent->granule, extent->n, more), expected);
	if (!expected)
		return;
	mark_taken(trace, from, more, true);
	extent->n += more;
}

static bool page_is_idle(const struct trace *trace, size_t first)
{
	for (size_t i = first; i < first + trace->region->page_granules; i++) {
		if (trace->granules[i].taken || !trace->granules[i].present)
			return false;
	}
	return true;
}

static void purge(struct trace *trace)
{
	size_t page = trace->region->page_granules, expected = 0;

	for (size_t first = 0; first < NGRANULES; first += page) {
		if (!page_is_idle(trace, first))
			continue;
		for (size_t i = first; i < first + page; i++)
			trace->granules[i].present = trace->granules[i].dirty = false;
		expected += page << FL_GRANULE_SHIFT;
	}
	/* Nothing here decays by itself. */
	must_equal(fl_extent_purge(trace->region, FL_PURGE_EXPIRED), 0);
	must_equal(fl_extent_purge(trace->region, FL_PURGE_ALL), expected);
	must_equal(fl_extent_purge(trace->region, FL_PURGE_ALL), 0);
}

static void step(struct trace *trace)
{
	struct extent *extent = any_extent(trace);
	size_t choice = random_below(&trace->random, 100);

	if (choice < 1)
		purge(trace);
	else if (extent->n == 0)
		take(trace, extent);
	else if (extent->npopulated < extent->n && choice < 60)
		populate(trace, extent);
	else if (choice < 70)
		extend(trace, extent);
	else if (choice < 80)
		put_tail(trace, extent);
	else
		put(trace, extent);
}

static void run(struct fl_backing_options backing)
{
	static struct trace trace;
	struct fl_region_options options = {
		.backing = backing, .reserve = NGRANULES << FL_GRANULE_SHIFT, .decay = FL_DECAY_NEVER, .thp = FALLOW_THP_NEVER,
	};

	trace = (struct trace){ .random = SEED };
	must_equal(fl_region_create(&options, &trace.region), 0);
	for (int i = 0; i < NSTEPS; i++) {
		step(&trace);
		check_counters(&trace);
	}
	/* The trace went everywhere. */
	must(trace.nzero > 100 && trace.nnot_zero > 100);
	must(trace.region->frontier > NGRANULES * 3 / 4);
	for (size_t i = 0; i < NEXTENTS; i++) {
		if (trace.extents[i].n != 0)
			put(&trace, &trace.extents[i]);
	}
	purge(&trace);
	must_equal(trace.region->taken, 0);
	must_equal(trace.region->present, 0);
	fl_region_destroy(trace.region);
}

static void on_ordinary_memory(void **state)
{
	(void)state;
	run((struct fl_backing_options){ .kind = FALLOW_BACKING_ANON, .fd = -1, .node = -1 });
}

static void on_a_memfd(void **state)
{
	(void)state;
	run((struct fl_backing_options){ .kind = FALLOW_BACKING_MEMFD, .fd = -1, .node = -1 });
}

static void run_on_huge_pages(void *unused)
{
	(void)unused;
	run((struct fl_backing_options){ .kind = FALLOW_BACKING_MEMFD, .page_size = FL_UNIT, .fd = -1, .node = -1 });
	run((struct fl_backing_options){ .kind = FALLOW_BACKING_HUGETLB, .page_size = FL_UNIT, .fd = -1, .node = -1 });
}

static void on_huge_pages(void **state)
{
	struct place place = { .huge_2m = NGRANULES / FL_UNIT_GRANULES };

	(void)state;
	assert_lives(&place, run_on_huge_pages, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_ordinary_memory),
		cmocka_unit_test(on_a_memfd),
		cmocka_unit_test(on_huge_pages),
	};

	printf("seed %#llx\n", (unsigned long long)SEED);
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
