/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that nobody who touches a map while a snapshot of it ends is left waiting. The kernel lets those go who wait for a
 * page when a range is no longer watched, but may overlook one that begins to wait in the same instant (Linux 6.18).
 */
#include <pthread.h>

#include "test/api/snapshot-kinds.h"

#define NPAGES 900
#define NROUNDS 300
#define SECONDS 60

static struct fallow_map *map;
static size_t page;

static void *touch(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < NPAGES; i++)
		(void)*(volatile char *)((char *)fallow_map_base(map) + i * page);
	return NULL;
}

static void ends_while_touched(const struct map_kind *kind)
{
	struct fallow_map_options options = map_options(kind, NPAGES * page);
	int image = memfd_create("image", MFD_CLOEXEC);
	pthread_t thread;

	map = map_create(&options);
	for (int i = 0; i < NROUNDS; i++) {
		must_equal(fallow_map_discard(map, 0, NPAGES * page), 0);
		must_equal(ftruncate(image, 0) | lseek(image, 0, SEEK_SET), 0);
		struct fallow_snapshot *snapshot = snapshot_take(map, image);
		must_equal(pthread_create(&thread, NULL, touch, NULL), 0);
		/* Waiting for the snapshot first would let the thread go, by closing the descriptor. */
		must_equal(pthread_join(thread, NULL), 0);
		must_equal(fallow_snapshot_wait(snapshot), 0);
	}
	close(image);
	map_end(map, &options);
}

static void nobody_waits_for_ever(void **state)
{
	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	alarm(SECONDS);
	ends_while_touched(&map_kinds[0]);
	ends_while_touched(&map_kinds[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_waits_for_ever),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
