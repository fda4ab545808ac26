/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that an ordinary program with fallow preloaded, which has used 512 MiB and uses 12 MiB still, is within 20 % of
 * what it uses after the decay time, 2 MiB units that are partly used not counted, although it only sleeps.
 */
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "test/lib/machine.h"
#include "test/lib/preload.h"
#include "test/lib/test.h"

#define MiB ((size_t)1 << 20)
#define UNIT (2 * MiB)
#define PEAK (512 * MiB)
#define KEPT (6 * MiB)
#define MAX_BLOCKS ((size_t)1 << 20)
#define MAX_UNITS 4096
#define SEED 20240611u

/* Ten times the decay that main() sets, for a busy machine. */
#define GIVE_BACK_MS 5000

static struct {
	void **blocks;
	size_t nblocks;
	size_t units[MAX_UNITS]; /* numbers of units that hold a kept block */
	size_t used[MAX_UNITS];  /* bytes of kept blocks in each */
	size_t nunits;
	uint64_t random;
} peak;

static long long resident(void)
{
	return test_machine_field("/proc/self/smaps_rollup", "Rss:") * 1024LL;
}

/* From 16 bytes to 512 KiB, each doubling as often as the next. */
static size_t random_size(void)
{
	peak.random = peak.random * 6364136223846793005u + 1442695040888963407u;
	return (size_t)16 << (peak.random >> 60) | (size_t)(peak.random >> 40 & 0xf);
}

static void take(size_t nbytes)
{
	for (size_t had = 0; had < nbytes;) {
		size_t size = random_size();
		void *block = malloc(size);

		assert_non_null(block);
		assert_true(peak.nblocks < MAX_BLOCKS);
		memset(block, 0x5a, size);
		peak.blocks[peak.nblocks++] = block;
		had += size;
	}
}

static void count(uintptr_t start, uintptr_t end)
{
	while (start < end) {
		uintptr_t unit = start / UNIT, stop = (unit + 1) * UNIT < end ? (unit + 1) * UNIT : end;
		size_t i = 0;

		while (i < peak.nunits && peak.units[i] != unit)
			i++;
		assert_true(i < MAX_UNITS);
		if (i == peak.nunits)
			peak.units[peak.nunits++] = unit;
		peak.used[i] += stop - start;
		start = stop;
	}
}

/* Bytes of the kept blocks. */
static size_t count_kept(void)
{
	size_t nbytes = 0;

	for (size_t i = 0; i < peak.nblocks; i++)
		if (peak.blocks[i] != NULL) {
			size_t usable = malloc_usable_size(peak.blocks[i]);

			count((uintptr_t)peak.blocks[i], (uintptr_t)peak.blocks[i] + usable);
			nbytes += usable;
		}
	return nbytes;
}

static void free_range(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		free(peak.blocks[i]);
		peak.blocks[i] = NULL;
	}
}

static void shrinks_to_what_is_used(void **state)
{
	size_t early, middle, late, kept, npartly = 0;
	long long before, high, bound;

	(void)state;
	peak.random = SEED;
	peak.blocks = mmap(NULL, MAX_BLOCKS * sizeof(void *), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	assert_ptr_not_equal(peak.blocks, MAP_FAILED);
	before = resident();
	take(KEPT);
	early = peak.nblocks;
	take((PEAK - KEPT) / 2);
	middle = peak.nblocks;
	take(KEPT);
	late = peak.nblocks;
	take((PEAK - KEPT) / 2);
	high = resident();
	assert_true(high - before >= (long long)(PEAK - PEAK / 16));
	free_range(early, middle);
	free_range(late, peak.nblocks);
	kept = count_kept();
	for (size_t i = 0; i < peak.nunits; i++)
		npartly += peak.used[i] < UNIT;
	bound = before + (long long)(kept + kept / 5 + npartly * UNIT);
	/* What is asked for is less than a fifth of the peak: the units are not so partly used that all is allowed. */
	assert_true(bound - before < (long long)(PEAK / 5));
	for (int waited = 0; waited < GIVE_BACK_MS && resident() > bound; waited += 10)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	print_message("seed %u: %lld MiB before, %lld at the peak, %lld now, %lld allowed; %zu MiB kept in %zu units\n", SEED,
		      before >> 20, high >> 20, resident() >> 20, bound >> 20, kept >> 20, peak.nunits);
	assert_true(resident() <= bound);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(shrinks_to_what_is_used) };

	(void)argc;
	test_preload(argv, "decay:500ms");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
