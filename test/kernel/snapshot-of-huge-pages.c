/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that snapshots of maps on a pool of huge pages have the instant's content, whatever is written, discarded and
 * populated meanwhile; that they take no page from the pool; that an exhausted pool is answered as it would be without
 * them; and that an image serves maps of other page sizes.
 */
#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define HUGE (2 * MiB)
#define LENGTH (8 * HUGE)
#define NFILLED 3
#define POOL 4

static const struct map_kind huge_kinds[] = {
	{ "hugetlb", FALLOW_BACKING_HUGETLB, FALLOW_SHARE_PRIVATE, false },
	{ "hugetlb shared", FALLOW_BACKING_HUGETLB, FALLOW_SHARE_SHARED, false },
	{ "memfd hugetlb", FALLOW_BACKING_MEMFD, FALLOW_SHARE_SHARED, false },
	{ "memfd hugetlb private", FALLOW_BACKING_MEMFD, FALLOW_SHARE_PRIVATE, false },
};

static struct fallow_map *filled_map(const struct map_kind *kind)
{
	struct fallow_map_options options = map_options(kind, LENGTH);

	options.page_size = HUGE;
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_map_populate(map, HUGE, NFILLED * HUGE, FALLOW_POPULATE_WRITE), 0);
	for (size_t i = 1; i <= NFILLED; i++)
		pattern_write((char *)fallow_map_base(map) + i * HUGE + MiB, 64 << 10, i);
	return map;
}

static void must_be_as_filled(struct fallow_map *map)
{
	const char *base = fallow_map_base(map);

	for (size_t i = 1; i <= NFILLED; i++)
		must(pattern_holds(base + i * HUGE + MiB, 64 << 10, i));
	must_equal(map_populated(map), NFILLED * (fallow_map_page_size(map) == HUGE ? HUGE : 64 << 10));
}

static void lasts(void *argument)
{
	const struct map_kind *kind = argument;
	struct fallow_map *map = filled_map(kind);
	char *base = fallow_map_base(map);
	int ends[2], image = memfd_create("image", MFD_CLOEXEC), zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	static char bytes[64 << 10];

	must_equal(pipe2(ends, O_CLOEXEC), 0);
	struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
	close(ends[1]);
	must_equal(place_free_2m(), (POOL - NFILLED) * HUGE);
	base[HUGE + MiB] ^= 1;
	must_equal(fallow_map_discard(map, 2 * HUGE, HUGE), 0);
	must_equal(fallow_map_populate(map, 5 * HUGE, 2 * HUGE, FALLOW_POPULATE_WRITE), 0);
	must_equal(fallow_map_populate(map, 0, HUGE, FALLOW_POPULATE_WRITE), -ENOMEM);
	must_equal(fallow_map_discard(map, 5 * HUGE, HUGE), 0);
	base[7 * HUGE] = 't';
	/* What a touch would do, as an answer. */
	must_equal(read(zero, base + 4 * HUGE, 1), -1);
	must_equal(errno, EFAULT);
	close(zero);
	for (ssize_t n; (n = read(ends[0], bytes, sizeof(bytes))) > 0;)
		must_equal(write(image, bytes, (size_t)n), n);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	must_equal(base[7 * HUGE], 't');
	must_equal(fallow_map_destroy(map), 0);
	must_equal(place_free_2m(), POOL * HUGE);

	struct fallow_map *restored = snapshot_restored(image, LENGTH);
	must_be_as_filled(restored);
	fallow_map_destroy(restored);
	close(ends[0]);
	close(image);
}

/* From small pages to huge ones, and no more of them than content needs. */
static void restores(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	int image = memfd_create("image", MFD_CLOEXEC);
	struct fallow_map *map = filled_map(&huge_kinds[0]);

	(void)unused;
	must_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
	fallow_map_destroy(map);
	struct fallow_map *small = snapshot_restored(image, LENGTH);
	must_equal(ftruncate(image, 0), 0);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_wait(snapshot_take(small, image)), 0);
	fallow_map_destroy(small);
	options.backing = FALLOW_BACKING_HUGETLB;
	options.page_size = HUGE;
	options.length = LENGTH;
	map = map_create(&options);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_restore(map, image, NULL), 0);
	must_be_as_filled(map);
	fallow_map_destroy(map);
	close(image);
}

/* A child's page table has nothing of a shared map that its parent filled. */
static void child_finds_all(void *unused)
{
	struct fallow_map *map = filled_map(&huge_kinds[2]);
	int status, image = memfd_create("image", MFD_CLOEXEC);
	pid_t child = fork();

	(void)unused;
	if (child == 0) {
		must_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
		_exit(0);
	}
	must_equal(waitpid(child, &status, 0), child);
	must_equal(status, 0);
	struct fallow_map *restored = snapshot_restored(image, LENGTH);
	must_be_as_filled(restored);
	fallow_map_destroy(restored);
	fallow_map_destroy(map);
	close(image);
}

static void have_the_instants_content(void **state)
{
	struct place place = { .huge_2m = POOL };

	(void)state;
	for (size_t i = 0; i < sizeof(huge_kinds) / sizeof(huge_kinds[0]); i++)
		assert_lives(&place, lasts, (void *)&huge_kinds[i]);
}

static void serve_other_page_sizes(void **state)
{
	struct place place = { .huge_2m = POOL };

	(void)state;
	assert_lives(&place, restores, NULL);
}

static void are_complete_in_a_child(void **state)
{
	struct place place = { .huge_2m = POOL };

	(void)state;
	assert_lives(&place, child_finds_all, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(have_the_instants_content),
		cmocka_unit_test(serve_other_page_sizes),
		cmocka_unit_test(are_complete_in_a_child),
	};

	snapshot_need();
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
