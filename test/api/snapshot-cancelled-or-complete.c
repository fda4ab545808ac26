/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the answer of fallow_snapshot_wait() and the image agree, whenever the snapshot is cancelled: 0, and it can be
 * restored, or -ECANCELED, and it cannot. The moment of cancelling moves over the whole life of short snapshots.
 */
#include <time.h>

#include "test/api/snapshot-kinds.h"

#define LENGTH ((size_t)64 << 10)
#define NROUNDS 3000
#define STEP_NS 100 /* the last cancels come after 300 us, when these snapshots are long over */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int take_and_cancel(struct fallow_map *map, int image, uint64_t after_ns)
{
	must_equal(ftruncate(image, 0) | lseek(image, 0, SEEK_SET), 0);
	struct fallow_snapshot *snapshot = snapshot_take(map, image);
	for (uint64_t end = now_ns() + after_ns; now_ns() < end;)
		;
	fallow_snapshot_cancel(snapshot);
	return fallow_snapshot_wait(snapshot);
}

static void answer_and_image_agree(void **state)
{
	struct fallow_map_options options = map_options(&map_kinds[0], LENGTH);
	struct fallow_map *map = map_create(&options), *other = map_create(&options);
	int image = memfd_create("image", MFD_CLOEXEC);
	unsigned int ncomplete = 0;

	(void)state;
	must_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(map), 'x', LENGTH);
	for (unsigned int i = 0; i < NROUNDS; i++) {
		int result = take_and_cancel(map, image, i * STEP_NS);
		must(result == 0 || result == -ECANCELED);
		ncomplete += result == 0;
		must_equal(lseek(image, 0, SEEK_SET), 0);
		must_equal(fallow_snapshot_restore(other, image, NULL), result == 0 ? 0 : -EBADMSG);
	}
	/* Both were seen. */
	must(ncomplete > 0 && ncomplete < NROUNDS);
	close(image);
	map_end(other, &options);
	map_end(map, &options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_and_image_agree),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
