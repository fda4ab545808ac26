/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that what cannot be taken is refused with the documented error and the map left alone, and that no image that
 * was cut short, damaged anywhere, torn over an older one or made for something else is taken for good: the map is then
 * as it was, or empty.
 */
#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"

#define KiB ((size_t)1 << 10)
#define LENGTH (1024 * KiB)
#define HEADER 80 /* bytes, doc/snapshot-format.md */
#define PARENT 56
#define NOBODY 65534

static struct fallow_map *new_map(size_t length)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = length;
	return map_create(&options);
}

/* Content with the seed in the second and fourth 16 KiB. */
static void fill(struct fallow_map *map, uint64_t seed)
{
	for (size_t at = 16 * KiB; at < 64 * KiB; at += 32 * KiB) {
		must_equal(fallow_map_populate(map, at, 16 * KiB, FALLOW_POPULATE_WRITE), 0);
		pattern_write((char *)fallow_map_base(map) + at, 16 * KiB, seed);
	}
}

/* An image of that; length bytes. */
static char *make_image(uint64_t seed, size_t *length)
{
	struct fallow_map *map = new_map(LENGTH);
	int fd = memfd_create("image", MFD_CLOEXEC);

	fill(map, seed);
	must_equal(fallow_snapshot_wait(snapshot_take(map, fd)), 0);
	*length = (size_t)lseek(fd, 0, SEEK_END);
	char *image = malloc(*length);
	must_equal(pread(fd, image, *length, 0), *length);
	close(fd);
	fallow_map_destroy(map);
	return image;
}

static int restore_bytes(struct fallow_map *map, const void *image, size_t length)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	must_equal(write(fd, image, length), length);
	must_equal(lseek(fd, 0, SEEK_SET), 0);
	int result = fallow_snapshot_restore(map, fd, NULL);
	close(fd);
	return result;
}

/* Restoring over other content is -EBADMSG, and leaves that content or nothing. */
static void must_be_refused(struct fallow_map *map, const void *image, size_t length, bool keeps)
{
	fill(map, 9);
	must_equal(restore_bytes(map, image, length), -EBADMSG);
	must_equal(map_populated(map), keeps ? 32 * KiB : 0);
	if (keeps)
		must(pattern_holds((char *)fallow_map_base(map) + 16 * KiB, 16 * KiB, 9));
	else
		must(pattern_zero(fallow_map_base(map), LENGTH));
}

static void cut_short_anywhere(void **state)
{
	size_t length;
	char *image = make_image(1, &length);
	struct fallow_map *map = new_map(LENGTH);

	(void)state;
	for (size_t n = 0; n < length; n += n < 200 || n + 40 > length ? 1 : 331)
		must_be_refused(map, image, n, n < HEADER);
	assert_int_equal(restore_bytes(map, image, length), 0);
	fallow_map_destroy(map);
	free(image);
}

static void damaged_anywhere(void **state)
{
	size_t length;
	char *image = make_image(1, &length);
	struct fallow_map *map = new_map(LENGTH);

	(void)state;
	for (size_t at = 0; at < length; at += at < 200 || at + 40 > length ? 1 : 331) {
		image[at] ^= (char)(1 << at % 8);
		must_be_refused(map, image, length, at < HEADER);
		image[at] ^= (char)(1 << at % 8);
	}
	assert_int_equal(restore_bytes(map, image, length), 0);
	fallow_map_destroy(map);
	free(image);
}

/* A newer image of the same shape that ends after each of its parts, with the rest of the older one behind it. */
static void torn_over_an_older_one(void **state)
{
	size_t length, older_length;
	char *older = make_image(1, &older_length), *newer = make_image(2, &length);
	struct fallow_map *map = new_map(LENGTH);

	(void)state;
	assert_int_equal(length, older_length);
	for (size_t n = HEADER; n < length; n += n == HEADER ? 32 + 16 * KiB : 1 * KiB) {
		memcpy(older, newer, n);
		must_be_refused(map, older, length, false);
	}
	fallow_map_destroy(map);
	free(older);
	free(newer);
}

static uint32_t crc32c(const char *bytes, size_t length)
{
	uint32_t crc = ~UINT32_C(0);

	for (size_t i = 0; i < length; i++) {
		crc ^= (unsigned char)bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* Change one byte of the header, with the checksum that then belongs to it. */
static void forge(char *image, size_t at, char value)
{
	image[at] = value;
	uint32_t sum = crc32c(image, HEADER - 4);
	memcpy(image + HEADER - 4, &sum, sizeof(sum));
}

static void made_for_something_else(void **state)
{
	size_t length;
	char *image = make_image(1, &length);
	struct fallow_map *shorter = new_map(LENGTH / 2), *map = new_map(LENGTH);

	(void)state;
	fill(shorter, 9);
	fill(map, 9);
	assert_int_equal(restore_bytes(shorter, image, length), -ERANGE);
	forge(image, 8, 2);
	assert_int_equal(restore_bytes(map, image, length), -EOPNOTSUPP);
	forge(image, 8, 1);
	forge(image, PARENT, 1);
	assert_int_equal(restore_bytes(map, image, length), -ESTALE);
	assert_true(pattern_holds((char *)fallow_map_base(map) + 16 * KiB, 16 * KiB, 9));
	assert_true(pattern_holds((char *)fallow_map_base(shorter) + 16 * KiB, 16 * KiB, 9));
	fallow_map_destroy(shorter);
	fallow_map_destroy(map);
	free(image);
}

static bool stop_soon(struct fallow_map *map, size_t done, size_t total, void *ncalls)
{
	(void)map;
	must(done <= total);
	return ++*(int *)ncalls < 2;
}

static void restore_that_cannot_be(void **state)
{
	struct fallow_restore_options options = FALLOW_RESTORE_OPTIONS_INIT;
	struct map_kind kind = { "private", FALLOW_BACKING_FILE, FALLOW_SHARE_PRIVATE, true };
	struct fallow_map_options had_content = map_options(&kind, LENGTH);
	int fd = memfd_create("image", MFD_CLOEXEC), ncalls = 0;
	size_t length;
	char *image = make_image(1, &length);
	struct fallow_map *map = new_map(LENGTH);

	(void)state;
	assert_int_equal(write(fd, image, length), length);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	options.size = 1;
	assert_int_equal(fallow_snapshot_restore(map, fd, &options), -EINVAL);
	options.size = sizeof(options);
	assert_int_equal(fallow_snapshot_restore(NULL, fd, &options), -EINVAL);
	assert_int_equal(fallow_snapshot_restore(map, -1, &options), -EBADF);
	options.progress = stop_soon;
	options.context = &ncalls;
	assert_int_equal(fallow_snapshot_restore(map, fd, &options), -ECANCELED);
	assert_int_equal(map_populated(map), 0);
	assert_int_equal(fallow_map_set_limit(map, 16 * KiB), 0);
	assert_int_equal(restore_bytes(map, image, length), -ENOMEM);
	assert_int_equal(map_populated(map), 0);
	fallow_map_destroy(map);

	assert_int_equal(pwrite(had_content.fd, "content", 7, 0), 7);
	map = map_create(&had_content);
	assert_int_equal(restore_bytes(map, image, length), -EOPNOTSUPP);
	assert_string_equal(fallow_map_base(map), "content");
	map_end(map, &had_content);
	close(fd);
	free(image);
}

static void take_that_cannot_be(void **state)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_snapshot_stat stat = FALLOW_SNAPSHOT_STAT_INIT;
	struct map_kind file = { "file", FALLOW_BACKING_FILE, FALLOW_SHARE_SHARED, false };
	struct fallow_map_options on_disk = map_options(&file, LENGTH);
	struct fallow_map *map = new_map(LENGTH), *ordinary = map_create(&on_disk);
	struct fallow_snapshot *snapshot;
	int readable = open("/dev/zero", O_RDONLY | O_CLOEXEC), fd = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	fill(map, 1);
	assert_int_equal(fallow_snapshot_take(NULL, fd, &options, &snapshot), -EINVAL);
	assert_int_equal(fallow_snapshot_take(map, fd, &options, NULL), -EINVAL);
	options.size = 3;
	assert_int_equal(fallow_snapshot_take(map, fd, &options, &snapshot), -EINVAL);
	assert_int_equal(fallow_snapshot_take(map, -1, NULL, &snapshot), -EBADF);
	assert_int_equal(fallow_snapshot_take(map, readable, NULL, &snapshot), -EBADF);
	assert_int_equal(fallow_snapshot_take(ordinary, fd, NULL, &snapshot), -EOPNOTSUPP);
	/* As much memory as it likes. */
	options = (struct fallow_snapshot_options){ .size = sizeof(options), .memory = SIZE_MAX };
	assert_int_equal(fallow_snapshot_take(map, fd, &options, &snapshot), 0);
	stat.size = 3;
	assert_int_equal(fallow_snapshot_progress(snapshot, &stat), -EINVAL);
	assert_int_equal(fallow_snapshot_progress(NULL, &stat), -EINVAL);
	assert_int_equal(fallow_snapshot_wait(snapshot), 0);
	assert_int_equal(fallow_snapshot_wait(NULL), -EINVAL);
	fallow_snapshot_cancel(NULL);
	assert_true(pattern_holds((char *)fallow_map_base(map) + 16 * KiB, 16 * KiB, 1));
	close(readable);
	close(fd);
	fallow_map_destroy(map);
	map_end(ordinary, &on_disk);
}

/* Who may not have a userfaultfd is told so. */
static void take_without_the_right(void **state)
{
	struct fallow_map *map = new_map(LENGTH);
	struct fallow_snapshot *snapshot;
	int status, fd = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	if (geteuid() != 0 || test_machine_number("/proc/sys/vm/unprivileged_userfaultfd") != 0) {
		printf("skipped: not root, or every user may\n");
		skip();
	}
	pid_t child = fork();
	if (child == 0) {
		must_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
		must_equal(fallow_snapshot_take(map, fd, NULL, &snapshot), -EPERM);
		must_equal(fallow_map_destroy(map), 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	fallow_map_destroy(map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_short_anywhere),
		cmocka_unit_test(damaged_anywhere),
		cmocka_unit_test(torn_over_an_older_one),
		cmocka_unit_test(made_for_something_else),
		cmocka_unit_test(restore_that_cannot_be),
		cmocka_unit_test(take_that_cannot_be),
		cmocka_unit_test(take_without_the_right),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
