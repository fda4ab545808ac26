/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a snapshot is of one instant, bit for bit, while eight threads write without pause, 100 times in a row on
 * ordinary memory, small and huge, and on a memfd, 25 times on what works like these; and so is each of 100 images of a
 * chain, restored one after the other onto the same map.
 *
 * Each writer fills its area with 1, then with 2, and so on, word by word upwards. So at any instant an area has some
 * number n up to some word and n - 1 from there on: any other content would be that of two instants. Before each number
 * a writer notes the last word of its neighbour's area: an image that has the note must have what was noted, which ties
 * the instants of all threads to each other.
 */
#include <pthread.h>

#include "test/api/snapshot-kinds.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (4 * MiB)
#define NWRITERS 8
#define AREA (LENGTH / NWRITERS / 2) /* every other part of the map is a hole */
#define NWORDS (AREA / sizeof(uint64_t))
#define NROUNDS 100
#define NROUNDS_MORE 25

struct writer {
	pthread_t thread;
	uint64_t *words; /* the first is the note */
	uint64_t *neighbour;
	bool *stop;
};

static void *write_on(void *argument)
{
	const struct writer *writer = argument;

	for (uint64_t n = 1; !__atomic_load_n(writer->stop, __ATOMIC_RELAXED); n++) {
		uint64_t seen = __atomic_load_n(&writer->neighbour[NWORDS - 1], __ATOMIC_ACQUIRE);
		__atomic_store_n(&writer->words[0], seen, __ATOMIC_RELEASE);
		for (size_t i = 1; i < NWORDS; i++)
			__atomic_store_n(&writer->words[i], n, __ATOMIC_RELEASE);
	}
	return NULL;
}

static uint64_t *area(struct fallow_map *map, size_t i)
{
	return (uint64_t *)((char *)fallow_map_base(map) + i % NWRITERS * 2 * AREA);
}

static void must_be_of_one_instant(struct fallow_map *map)
{
	for (size_t i = 0; i < NWRITERS; i++) {
		const uint64_t *words = area(map, i), *neighbour = area(map, i + 1);
		size_t at = 1;
		while (at < NWORDS && words[at] == words[1])
			at++;
		for (; at < NWORDS; at++)
			must_equal(words[at], words[1] - 1);
		must_be_most(words[0], neighbour[NWORDS - 1]);
	}
}

static uint64_t round_of(struct fallow_map *map, int image, enum fallow_snapshot_kind kind, struct fallow_map *restored)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_snapshot *snapshot;

	options.kind = kind;
	must_equal(ftruncate(image, 0), 0);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_take(map, image, &options, &snapshot), 0);
	while (!snapshot_progress(snapshot).finished)
		usleep(500);
	uint64_t nwaits = snapshot_progress(snapshot).nwaits;
	must_equal(fallow_snapshot_wait(snapshot), 0);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_restore(restored, image, NULL), 0);
	must_be_of_one_instant(restored);
	return nwaits;
}

static void rounds(struct fallow_map *map, const char *name, int nrounds, bool chained)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct writer writers[NWRITERS];
	bool stop = false;
	int image = memfd_create("image", MFD_CLOEXEC);
	uint64_t nwaits = 0;

	options.length = LENGTH;
	struct fallow_map *restored = map_create(&options);
	for (size_t i = 0; i < NWRITERS; i++)
		must_equal(fallow_map_populate(map, i * 2 * AREA, AREA, FALLOW_POPULATE_WRITE), 0);
	for (size_t i = 0; i < NWRITERS; i++) {
		writers[i] = (struct writer){ .words = area(map, i), .neighbour = area(map, i + 1), .stop = &stop };
		must_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
	}
	for (int round = 0; round < nrounds; round++) {
		enum fallow_snapshot_kind next = round ? FALLOW_SNAPSHOT_CHANGES : FALLOW_SNAPSHOT_BASE;
		nwaits += round_of(map, image, chained ? next : FALLOW_SNAPSHOT_WHOLE, restored);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < NWRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	printf("%s: %d snapshots, %llu writes waited\n", name, nrounds, (unsigned long long)nwaits);
	/* Between two images of a chain most writers do not come far. */
	must(nwaits > (chained ? 0 : (uint64_t)nrounds));
	must_equal(fallow_snapshot_stop(map), chained ? 0 : -ENOENT);
	must_equal(snapshot_nprotected(map), 0);
	fallow_map_destroy(restored);
	close(image);
}

static void is_of_one_instant(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		if (!snapshot_can(&map_kinds[i]))
			continue;
		struct fallow_map_options options = map_options(&map_kinds[i], LENGTH);
		struct fallow_map *map = map_create(&options);
		bool own_way = options.backing == FALLOW_BACKING_MEMFD || i == 0;
		rounds(map, map_kinds[i].name, own_way ? NROUNDS : NROUNDS_MORE, false);
		map_end(map, &options);
	}
}

static void is_of_one_instant_in_huge_pages(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	(void)state;
	options.length = LENGTH;
	options.thp = FALLOW_THP_ALWAYS;
	struct fallow_map *map = map_create(&options);
	rounds(map, "transparent huge pages", NROUNDS, false);
	fallow_map_destroy(map);
}

static void is_of_one_instant_in_a_chain(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		if (map_kinds[i].backing == FALLOW_BACKING_FILE)
			continue;
		struct fallow_map_options options = map_options(&map_kinds[i], LENGTH);
		struct fallow_map *map = map_create(&options);
		rounds(map, map_kinds[i].name, NROUNDS, true);
		map_end(map, &options);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_of_one_instant),
		cmocka_unit_test(is_of_one_instant_in_huge_pages),
		cmocka_unit_test(is_of_one_instant_in_a_chain),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
