/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a snapshot has what its map held when it was taken, whatever is done to the map while its image is being
 * written: writes, reads by system calls, discards, populates, touches of what was not there, fork. The image goes into a
 * pipe or a socket that nobody reads before all of that is done. Restored, the map has just that, and no page that was
 * zero.
 */
#include <sys/socket.h>

#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (8 * MiB)
#define FILLED (2 * MiB)
#define NGUARDS 2
#if defined(__SANITIZE_THREAD__) /* it leaves little address space */
#define VAST ((size_t)16 << 30)
#else
#define VAST ((size_t)256 << 30)
#endif

/*
 *     0 zeros written 1 hole 2 content 3 content 4 hole ...        MiB
 */
static void fill(struct fallow_map *map)
{
	char *base = fallow_map_base(map);

	must_equal(fallow_map_populate(map, 0, MiB, FALLOW_POPULATE_WRITE), 0);
	memset(base, 0, MiB);
	must_equal(fallow_map_populate(map, 2 * MiB, FILLED, FALLOW_POPULATE_WRITE), 0);
	pattern_write(base + 2 * MiB, FILLED, 1);
}

static void must_be_as_filled(struct fallow_map *map)
{
	char *base = fallow_map_base(map);

	must_equal(map_populated(map), FILLED);
	must(pattern_zero(base, 2 * MiB));
	must(pattern_holds(base + 2 * MiB, FILLED, 1));
	must(pattern_zero(base + 4 * MiB, LENGTH - 4 * MiB));
}

/* All of the pipe to the file. */
static void drain(int pipe, int file)
{
	static char bytes[64 << 10];

	for (ssize_t n; (n = read(pipe, bytes, sizeof(bytes))) > 0;)
		must_equal(write(file, bytes, (size_t)n), n);
}

static void change(struct fallow_map *map, enum fallow_guard guard)
{
	char *base = fallow_map_base(map);
	size_t page = fallow_map_page_size(map);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	base[0] = 'w';
	for (size_t at = 2 * MiB; at < 3 * MiB; at += page)
		base[at + 7] ^= 1;
	must_equal(read(zero, base + 3 * MiB, 3 * page + 5), 3 * page + 5);
	close(zero);
	must_equal(fallow_map_discard(map, 3 * MiB + 8 * page, MiB / 2), 0);
	must_equal(fallow_map_populate(map, 3 * MiB + 8 * page, 4 * page, FALLOW_POPULATE_WRITE), 0);
	must(pattern_zero(base + 3 * MiB + 8 * page, 4 * page));
	must_equal(fallow_map_populate(map, 5 * MiB, page, FALLOW_POPULATE_WRITE), 0);
	memset(base + 5 * MiB, 'n', page);
	must_equal(fallow_map_populate(map, 6 * MiB, 2 * MiB, FALLOW_POPULATE_READ), 0);
	if (guard == FALLOW_GUARD_NONE) {
		must_equal(base[4 * MiB], 0);
		base[4 * MiB + page] = 't';
		base[MiB] = 't';
	}
}

static void lasts(const struct map_kind *kind, enum fallow_guard guard)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	int ends[2], image = memfd_create("image", MFD_CLOEXEC);

	must_equal(guard ? pipe2(ends, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	options.guard = guard;
	struct fallow_map *map = map_create(&options);
	fill(map);
	struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
	close(ends[1]);
	change(map, guard);
	must(!snapshot_progress(snapshot).finished);
	drain(ends[0], image);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	must_equal(snapshot_nprotected(map), 0);
	must_equal(((char *)fallow_map_base(map))[5 * MiB], 'n');

	struct fallow_map *restored = snapshot_restored(image, LENGTH);
	must_be_as_filled(restored);
	fallow_map_destroy(restored);
	close(ends[0]);
	close(image);
	map_end(map, &options);
}

static void changes_do_not_show(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		for (int guard = 0; guard < NGUARDS && snapshot_can(&map_kinds[i]); guard++)
			lasts(&map_kinds[i], (enum fallow_guard)guard);
	}
}

/* What nobody writes to meanwhile stays in huge pages. */
static void keeps_huge_pages(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map_range before, after;
	size_t nbefore = 1, nafter = 1;
	int image = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	options.length = LENGTH;
	options.thp = FALLOW_THP_ALWAYS;
	struct fallow_map *map = map_create(&options);
	assert_int_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(map), 'h', LENGTH);
	assert_int_equal(fallow_map_residency(map, 0, LENGTH, &before, &nbefore), 0);
	assert_int_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
	assert_int_equal(fallow_map_residency(map, 0, LENGTH, &after, &nafter), 0);
	assert_int_equal(nafter, nbefore);
	assert_int_equal(after.length, before.length);
	assert_int_equal(after.states, before.states);
	close(image);
	fallow_map_destroy(map);
}

/* KiB of page tables. */
static long page_tables(void)
{
	return test_machine_field("/proc/self/status", "VmPTE:");
}

static void costs_what_there_is(enum fallow_backing backing)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	int image = memfd_create("image", MFD_CLOEXEC);

	options.backing = backing;
	options.length = VAST;
	struct fallow_map *map = map_create(&options);
	char *middle = (char *)fallow_map_base(map) + VAST / 2;
	assert_int_equal(fallow_map_populate(map, VAST / 2, MiB, FALLOW_POPULATE_WRITE), 0);
	pattern_write(middle, MiB, 3);
	long before = page_tables();
	struct fallow_snapshot *snapshot = snapshot_take(map, image);
	assert_in_range(page_tables(), before, before + 64);
	middle[-(ptrdiff_t)VAST / 4] = 't';
	assert_int_equal(snapshot_progress(snapshot).total, MiB);
	assert_int_equal(fallow_snapshot_wait(snapshot), 0);
	assert_in_range(lseek(image, 0, SEEK_END), MiB, MiB + MiB / 64);
	struct fallow_map *restored = snapshot_restored(image, VAST);
	assert_true(pattern_holds((char *)fallow_map_base(restored) + VAST / 2, MiB, 3));
	assert_int_equal(map_populated(restored), MiB);
	fallow_map_destroy(restored);
	close(image);
	fallow_map_destroy(map);
}

/* What is merely reserved costs neither page tables nor room in the image. */
static void vast_maps_cost_what_there_is(void **state)
{
	(void)state;
	costs_what_there_is(FALLOW_BACKING_ANON);
	costs_what_there_is(FALLOW_BACKING_MEMFD);
}

/* Restoring replaces what is there, on each kind, also on ordinary files. */
static void restores_onto_every_kind(void **state)
{
	struct fallow_map_options plain = FALLOW_MAP_OPTIONS_INIT;
	int image = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	plain.length = LENGTH;
	struct fallow_map *map = map_create(&plain);
	fill(map);
	assert_int_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
	for (size_t i = 0; i < NMAP_KINDS * NGUARDS; i++) {
		struct fallow_map_options options = map_options(&map_kinds[i / NGUARDS], 2 * LENGTH);
		options.guard = (enum fallow_guard)(i % NGUARDS);
		struct fallow_map *other = map_create(&options);
		assert_int_equal(fallow_map_populate(other, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
		memset(fallow_map_base(other), 'o', LENGTH);
		assert_int_equal(lseek(image, 0, SEEK_SET), 0);
		assert_int_equal(fallow_snapshot_restore(other, image, NULL), 0);
		assert_int_equal(map_populated(other), FILLED);
		assert_true(pattern_holds((char *)fallow_map_base(other) + 2 * MiB, FILLED, 1));
		if (options.guard == FALLOW_GUARD_NONE)
			must_be_as_filled(other);
		map_end(other, &options);
	}
	close(image);
	fallow_map_destroy(map);
}

/* What a file holds is content, also where the map never populated it. */
static void has_what_the_file_held(void **state)
{
	static char bytes[MiB];

	(void)state;
	pattern_write(bytes, sizeof(bytes), 2);
	for (size_t i = 0; i < NMAP_KINDS; i++) {
		if (map_kinds[i].backing != FALLOW_BACKING_FILE || !map_kinds[i].on_tmpfs)
			continue;
		struct fallow_map_options options = map_options(&map_kinds[i], LENGTH);
		assert_int_equal(pwrite(options.fd, bytes, MiB, 3 * MiB), MiB);
		struct fallow_map *map = map_create(&options);
		int ends[2], image = memfd_create("image", MFD_CLOEXEC);
		assert_int_equal(pipe(ends), 0);
		struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
		close(ends[1]);
		memset((char *)fallow_map_base(map) + 3 * MiB, 'x', MiB / 2);
		drain(ends[0], image);
		assert_int_equal(fallow_snapshot_wait(snapshot), 0);
		struct fallow_map *restored = snapshot_restored(image, LENGTH);
		assert_true(pattern_holds((char *)fallow_map_base(restored) + 3 * MiB, MiB, 2));
		assert_int_equal(map_populated(restored), MiB);
		fallow_map_destroy(restored);
		close(ends[0]);
		close(image);
		map_end(map, &options);
	}
}

/* A child has the map to itself: no protection, no snapshot; and the parent's goes on. */
static void child_of_kind_is_free_of_it(const struct map_kind *kind)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	int ends[2], status, image = memfd_create("image", MFD_CLOEXEC);
	struct fallow_map *map = map_create(&options);

	fill(map);
	must_equal(pipe(ends), 0);
	struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
	pid_t child = fork();
	if (child == 0) {
		close(ends[1]);
		must_equal(snapshot_nprotected(map), 0);
		/* What is shared is the parent's as well, who is not told of such writes. */
		if (kind->share == FALLOW_SHARE_PRIVATE)
			memset((char *)fallow_map_base(map) + 2 * MiB, 'c', FILLED);
		must(snapshot_progress(snapshot).finished);
		must_equal(fallow_snapshot_wait(snapshot), -ECANCELED);
		if (kind->share == FALLOW_SHARE_PRIVATE)
			must_equal(fallow_map_resize(map, LENGTH / 2), 0);
		must_equal(fallow_map_destroy(map), 0);
		_exit(0);
	}
	close(ends[1]);
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
	drain(ends[0], image);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	struct fallow_map *restored = snapshot_restored(image, LENGTH);
	must_be_as_filled(restored);
	fallow_map_destroy(restored);
	close(ends[0]);
	close(image);
	map_end(map, &options);
}

static void child_is_free_of_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMAP_KINDS; i++)
		if (snapshot_can(&map_kinds[i]))
			child_of_kind_is_free_of_it(&map_kinds[i]);
}

static void stays_as_it_is_meanwhile(void **state)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_snapshot *other;
	int ends[2];

	(void)state;
	options.length = LENGTH;
	options.reserve = 2 * LENGTH;
	struct fallow_map *map = map_create(&options);
	fill(map);
	assert_int_equal(pipe(ends), 0);
	struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
	assert_int_equal(fallow_map_resize(map, 2 * LENGTH), -EBUSY);
	assert_int_equal(fallow_map_resize(map, LENGTH / 2), -EBUSY);
	assert_int_equal(fallow_map_destroy(map), -EBUSY);
	assert_int_equal(fallow_snapshot_take(map, ends[1], NULL, &other), -EBUSY);
	fallow_snapshot_cancel(snapshot);
	assert_int_equal(snapshot_nprotected(map), 0);
	assert_int_equal(fallow_snapshot_wait(snapshot), -ECANCELED);
	assert_int_equal(fallow_map_resize(map, 2 * LENGTH), 0);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(fallow_map_destroy(map), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_do_not_show),
		cmocka_unit_test(keeps_huge_pages),
		cmocka_unit_test(vast_maps_cost_what_there_is),
		cmocka_unit_test(restores_onto_every_kind),
		cmocka_unit_test(has_what_the_file_held),
		cmocka_unit_test(child_is_free_of_it),
		cmocka_unit_test(stays_as_it_is_meanwhile),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
