/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a snapshot of a private map ends when others take pages out of its file meanwhile, and so does a touch of such
 * a page: of a page that is gone the kernel keeps the protection, and tells of it as missing though none can be put there
 * (Linux 6.18). That with a guard what the file has, but the map does not, is not read. And that what only the file has is
 * saved before a populate, and not taken for such a page.
 */
#include "test/api/snapshot-kinds.h"

#define MiB ((size_t)1 << 20)
#define SECONDS 30

/*
 *     0 copies 1 the file's pages 2 MiB        an image in a pipe waits after some pages of the first half
 */
static struct fallow_map *create(struct fallow_map_options *options, enum fallow_guard guard)
{
	char bytes[4096];

	*options = map_options(&(struct map_kind){ "file on tmpfs private", FALLOW_BACKING_FILE, FALLOW_SHARE_PRIVATE, true }, 0);
	options->guard = guard;
	memset(bytes, 'f', sizeof(bytes));
	for (size_t at = 0; at < 2 * MiB; at += sizeof(bytes))
		must_equal(write(options->fd, bytes, sizeof(bytes)), sizeof(bytes));
	struct fallow_map *map = map_create(options);
	must_equal(fallow_map_populate(map, 0, MiB, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(map), 'c', MiB);
	return map;
}

/* Read the image to its end. */
static void drain(int fd, int image)
{
	char bytes[4096];

	for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;)
		must_equal(write(image, bytes, (size_t)n), n);
	close(fd);
}

static void ends_though_pages_are_gone(void **state)
{
	struct fallow_map_options options;
	struct fallow_map *map = create(&options, FALLOW_GUARD_NONE);
	int ends[2];

	(void)state;
	alarm(SECONDS);
	must_equal(pipe2(ends, O_CLOEXEC), 0);
	must_equal(fallow_map_populate(map, MiB, MiB, FALLOW_POPULATE_READ), 0);
	struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
	close(ends[1]);
	must_equal(fallocate(options.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MiB, MiB), 0);
	must_equal(((volatile char *)fallow_map_base(map))[2 * MiB - 1], 0);
	int image = memfd_create("image", MFD_CLOEXEC);
	drain(ends[0], image);
	close(image);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	map_end(map, &options);
}

static void has_what_only_the_file_has(void **state)
{
	struct fallow_map_options options;
	struct fallow_map *map = create(&options, FALLOW_GUARD_NONE);
	int ends[2], image = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	alarm(SECONDS);
	must_equal(pipe2(ends, O_CLOEXEC), 0);
	struct fallow_snapshot *snapshot = snapshot_take(map, ends[1]);
	close(ends[1]);
	must_equal(fallow_map_populate(map, MiB + MiB / 2, MiB / 4, FALLOW_POPULATE_WRITE), 0);
	must(map_reads((char *)fallow_map_base(map) + MiB, MiB, 'f'));
	drain(ends[0], image);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	struct fallow_map *restored = snapshot_restored(image, 2 * MiB);
	must(map_reads(fallow_map_base(restored), MiB, 'c'));
	must(map_reads((char *)fallow_map_base(restored) + MiB, MiB, 'f'));
	must_equal(fallow_map_destroy(restored), 0);
	close(image);
	map_end(map, &options);
}

static void reads_nothing_behind_a_guard(void **state)
{
	struct fallow_map_options options;
	struct fallow_map *map = create(&options, FALLOW_GUARD_TRAP);
	int image = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	must_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
	struct fallow_map *restored = snapshot_restored(image, 2 * MiB);
	must(map_reads(fallow_map_base(restored), MiB, 'c'));
	must(map_reads((char *)fallow_map_base(restored) + MiB, MiB, 0));
	must_equal(fallow_map_destroy(restored), 0);
	close(image);
	map_end(map, &options);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_though_pages_are_gone),
		cmocka_unit_test(reads_nothing_behind_a_guard),
		cmocka_unit_test(has_what_only_the_file_has),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
