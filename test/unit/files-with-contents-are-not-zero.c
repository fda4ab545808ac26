/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a file which had contents before it became a backing is not taken for zero: calloc clears it, and populate
 * says so, up to where the file ended.
 */
#include <fallow/arena.h>

#include <string.h>
#include <unistd.h>

#include "diag/options.h"
#include "extent/extent.h"
#include "test/lib/test.h"

#define LENGTH (3 * FL_GRANULE + 5)

static int file_with_contents(void)
{
	static char contents[LENGTH];
	FILE *file = tmpfile();
	int fd = dup(fileno(file));

	fclose(file);
	memset(contents, 0xa5, sizeof(contents));
	assert_int_equal(pwrite(fd, contents, sizeof(contents), 0), sizeof(contents));
	return fd;
}

/* What a shared mapping discards is gone from the file; a private one shows it again. */
static void populate_knows(void **state)
{
	(void)state;
	for (int shared = 0; shared <= 1; shared++) {
		struct fl_region_options options = {
			.backing = { .kind = FALLOW_BACKING_FILE, .share = shared ? FALLOW_SHARE_SHARED : FALLOW_SHARE_PRIVATE,
				     .fd = file_with_contents(), .own_fd = true, .node = -1 },
			.reserve = 64 * FL_MIB, .decay = FL_DECAY_NEVER,
		};
		struct fl_region *region;

		assert_int_equal(fl_region_create(&options, &region), 0);
		for (int round = 0; round < 2; round++) {
			size_t granules[6];

			for (size_t i = 0; i < FL_LENGTH(granules); i++) {
				bool zero, old = i < 4 && (round == 0 || !shared);

				assert_int_equal(fl_extent_take(region, 1, 1, &granules[i]).reason, FALLOW_REASON_NONE);
				assert_int_equal(fl_extent_populate(region, granules[i], 1, FL_USE_WRITTEN, &zero).reason,
						 FALLOW_REASON_NONE);
				assert_int_equal(zero, !old);
				assert_int_equal(*(unsigned char *)fl_granule_address(region, granules[i]), old ? 0xa5 : 0);
			}
			for (size_t i = 0; i < FL_LENGTH(granules); i++)
				fl_extent_put(region, granules[i], 1, 1);
			fl_extent_purge(region, FL_PURGE_ALL);
		}
		fl_region_destroy(region);
	}
}

static void calloc_clears(void **state)
{
	static const enum fallow_share shares[] = { FALLOW_SHARE_SHARED, FALLOW_SHARE_PRIVATE };

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(shares); i++) {
		struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
		struct fallow_arena *arena;

		options.backing = FALLOW_BACKING_FILE;
		options.share = shares[i];
		options.fd = file_with_contents();
		assert_int_equal(fallow_arena_create(&options, &arena), 0);
		/* The second time from memory that was given back. */
		for (int round = 0; round < 2; round++) {
			unsigned char *bytes = fallow_arena_calloc(arena, 1, 8 * FL_GRANULE);

			assert_non_null(bytes);
			for (size_t at = 0; at < 8 * FL_GRANULE; at++)
				assert_int_equal(bytes[at], 0);
			memset(bytes, 0x5a, 8 * FL_GRANULE);
			fallow_arena_free(arena, bytes);
			assert_int_equal(fallow_arena_trim(arena, NULL), 0);
		}
		fallow_arena_destroy(arena);
		close(options.fd);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(populate_knows),
		cmocka_unit_test(calloc_clears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
