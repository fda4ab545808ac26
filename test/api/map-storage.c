/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a map says what its file holds beside what is populated, that a private map of fallow's own memfd does not
 * pay twice, and that of a file which is only read nothing is dirtied, allocated or changed.
 */
#include <errno.h>
#include <sys/stat.h>

#include "test/api/map-kinds.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (8 * MiB)

static uint64_t storage(struct fallow_map *map)
{
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;

	assert_int_equal(fallow_map_stats(map, &stat), 0);
	return stat.storage;
}

/* Bytes of the mappings that begin in the map which are dirty, or all that is there. */
static long long mapped(struct fallow_map *map, bool dirty)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	uintptr_t base = (uintptr_t)fallow_map_base(map), start = 0, end;
	char line[512], name[32];
	long long total = 0, kib;

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 || start < base || start >= base + LENGTH)
			continue;
		if (sscanf(line, "%31[^:]: %lld", name, &kib) != 2)
			continue;
		if (dirty ? strcmp(name, "Shared_Dirty") == 0 || strcmp(name, "Private_Dirty") == 0 : strcmp(name, "Rss") == 0)
			total += kib * 1024;
	}
	fclose(smaps);
	return total;
}

static void says_what_the_file_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		const struct map_kind *kind = &map_kinds[i];
		struct fallow_map_options options = map_options(kind, LENGTH);
		struct fallow_map *map = map_create(&options);
		char *base = fallow_map_base(map);

		print_message("%s\n", kind->name);
		assert_int_equal(storage(map), 0);
		assert_int_equal(fallow_map_populate(map, MiB, 6 * MiB, FALLOW_POPULATE_WRITE), 0);
		memset(base + MiB, 'x', 6 * MiB);
		assert_int_equal(mapped(map, true), 6 * MiB);
		if (kind->share == FALLOW_SHARE_SHARED || kind->on_tmpfs)
			assert_in_range(storage(map), 6 * MiB, 6 * MiB + MiB / 4);
		else
			assert_int_equal(storage(map), 0);
		/* Also where some of it was there to be read. */
		assert_int_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_READ), 0);
		assert_int_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
		if (kind->backing == FALLOW_BACKING_MEMFD && kind->share == FALLOW_SHARE_PRIVATE)
			assert_int_equal(storage(map), 0);
		assert_true(map_reads(base + MiB, 6 * MiB, 'x'));
		assert_true(map_reads(base, MiB, 0));
		assert_true(map_reads(base + 7 * MiB, MiB, 0));
		assert_int_equal(fallow_map_discard(map, 0, LENGTH), 0);
		assert_int_equal(storage(map), 0);
		assert_true(map_reads(base, LENGTH, 0));
		map_end(map, &options);
	}
}

/* An ordinary file that is mostly holes. */
static void a_file_that_is_read_is_not_dirtied(void **state)
{
	(void)state;
	for (int share = FALLOW_SHARE_PRIVATE; share <= FALLOW_SHARE_SHARED; share++) {
		struct map_kind kind = { "file", FALLOW_BACKING_FILE, (enum fallow_share)share, false };
		struct fallow_map_options options = map_options(&kind, 0);
		struct stat before, after;
		char *data = calloc(1, MiB);

		memset(data, 'd', MiB);
		assert_int_equal(pwrite(options.fd, data, MiB, 3 * MiB), MiB);
		free(data);
		assert_int_equal(ftruncate(options.fd, LENGTH), 0);
		assert_int_equal(fsync(options.fd), 0);
		assert_int_equal(fstat(options.fd, &before), 0);
		struct fallow_map *map = map_create(&options);
		const char *base = fallow_map_base(map);

		assert_int_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_READ), 0);
		assert_true(map_reads(base, 3 * MiB, 0));
		assert_true(map_reads(base + 3 * MiB, MiB, 'd'));
		assert_true(map_reads(base + 4 * MiB, 4 * MiB, 0));
		assert_int_equal(mapped(map, false), LENGTH);
		assert_int_equal(mapped(map, true), 0);
		assert_int_equal(fsync(options.fd), 0);
		assert_int_equal(fstat(options.fd, &after), 0);
		assert_int_equal(before.st_blocks, after.st_blocks);
		assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
		assert_int_equal(storage(map), before.st_blocks * 512);

		/* Beside it: what is populated for writing is dirty before anything is written. */
		assert_int_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
		assert_int_equal(mapped(map, true), LENGTH);
		map_end(map, &options);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_the_file_holds),
		cmocka_unit_test(a_file_that_is_read_is_not_dirtied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
