/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a chain is not gone on with where there is none or it has ended, and that an image of changes is restored
 * only onto what the image before it has made: in another order, twice, with one left out, onto another map or cut short it
 * is refused, with the map as it was or empty.
 */
#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"

#define KiB ((size_t)1 << 10)
#define LENGTH (1024 * KiB)
#define PIECE (16 * KiB)
#define NIMAGES 4

static struct fallow_map *new_map(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = LENGTH;
	return map_create(&options);
}

static int take(struct fallow_map *map, int fd, enum fallow_snapshot_kind kind)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_snapshot *snapshot;

	options.kind = kind;
	int result = fallow_snapshot_take(map, fd, &options, &snapshot);
	return result == 0 ? fallow_snapshot_wait(snapshot) : result;
}

/* Image i has the seed i in piece i, and the first piece is a hole from the second image on. */
static struct fallow_map *make_chain(int images[NIMAGES])
{
	struct fallow_map *map = new_map();
	char *base = fallow_map_base(map);

	for (size_t i = 0; i < NIMAGES; i++) {
		images[i] = memfd_create("image", MFD_CLOEXEC);
		must_equal(fallow_map_populate(map, i * PIECE, PIECE, FALLOW_POPULATE_WRITE), 0);
		pattern_write(base + i * PIECE, PIECE, i);
		if (i == 1)
			must_equal(fallow_map_discard(map, 0, PIECE), 0);
		must_equal(take(map, images[i], i ? FALLOW_SNAPSHOT_CHANGES : FALLOW_SNAPSHOT_BASE), 0);
	}
	return map;
}

static void end_chain(struct fallow_map *map, int images[NIMAGES])
{
	for (size_t i = 0; i < NIMAGES; i++)
		close(images[i]);
	fallow_map_destroy(map);
}

static int restore(struct fallow_map *map, int image)
{
	must_equal(lseek(image, 0, SEEK_SET), 0);
	return fallow_snapshot_restore(map, image, NULL);
}

/* The map has what the first n images make. */
static void must_be_restored(struct fallow_map *map, size_t n)
{
	const char *base = fallow_map_base(map);

	must_equal(map_populated(map), (n > 1 ? n - 1 : n) * PIECE);
	for (size_t i = 0; i < NIMAGES; i++) {
		if (i < n && (i > 0 || n == 1))
			must(pattern_holds(base + i * PIECE, PIECE, i));
		else
			must(pattern_zero(base + i * PIECE, PIECE));
	}
}

static void images_that_do_not_follow(void **state)
{
	int images[NIMAGES], others[NIMAGES];
	struct fallow_map *map = make_chain(images), *other = make_chain(others), *restored = new_map();

	(void)state;
	assert_int_equal(restore(restored, images[1]), -ESTALE);
	for (size_t n = 1; n <= NIMAGES; n++) {
		assert_int_equal(restore(restored, images[n - 1]), 0);
		must_be_restored(restored, n);
		for (size_t i = 1; i < NIMAGES; i++) {
			if (i != n)
				assert_int_equal(restore(restored, images[i]), -ESTALE);
			assert_int_equal(restore(restored, others[i]), -ESTALE);
		}
		must_be_restored(restored, n);
	}
	/* The first one begins anew. */
	assert_int_equal(restore(restored, others[0]), 0);
	must_be_restored(restored, 1);
	assert_int_equal(restore(restored, images[1]), -ESTALE);
	fallow_map_destroy(restored);
	end_chain(other, others);
	end_chain(map, images);
}

/* Cut after any of its parts, with nothing left of what came before. */
static void changes_that_are_cut_short(void **state)
{
	int images[NIMAGES], cut = memfd_create("cut", MFD_CLOEXEC);
	struct fallow_map *map = make_chain(images), *restored = new_map();
	static char bytes[LENGTH];
	size_t length = (size_t)pread(images[1], bytes, sizeof(bytes), 0);

	(void)state;
	assert_in_range(length, PIECE, 2 * PIECE);
	for (size_t n = 80; n < length; n += n + 200 > length || n < 200 ? 8 : 1111) {
		assert_int_equal(restore(restored, images[0]), 0);
		assert_int_equal(ftruncate(cut, 0), 0);
		assert_int_equal(pwrite(cut, bytes, n, 0), n);
		assert_int_equal(restore(restored, cut), -EBADMSG);
		assert_int_equal(map_populated(restored), 0);
		assert_int_equal(restore(restored, images[1]), -ESTALE);
	}
	close(cut);
	fallow_map_destroy(restored);
	end_chain(map, images);
}

static void must_have_no_chain(struct fallow_map *map, int image)
{
	must_equal(take(map, image, FALLOW_SNAPSHOT_CHANGES), -ENOENT);
	must_equal(fallow_snapshot_stop(map), -ENOENT);
	must_equal(snapshot_nprotected(map), 0);
	must_equal(fallow_dirty_start(map), 0);
	must_equal(fallow_dirty_stop(map), 0);
}

static void chains_that_are_over(void **state)
{
	int image = memfd_create("image", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct fallow_map *map = new_map();

	(void)state;
	must_equal(fallow_map_populate(map, 0, PIECE, FALLOW_POPULATE_WRITE), 0);
	must_have_no_chain(map, image);
	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_WHOLE), 0);
	must_have_no_chain(map, image);
	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_CHANGES + 1), -EINVAL);

	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_BASE), 0);
	assert_int_equal(fallow_dirty_start(map), -EBUSY);
	assert_int_equal(fallow_snapshot_stop(map), 0);
	must_have_no_chain(map, image);

	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_BASE), 0);
	assert_int_equal(take(map, full, FALLOW_SNAPSHOT_CHANGES), -ENOSPC);
	must_have_no_chain(map, image);

	/* What can be seen to fail beforehand leaves it alone. */
	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_BASE), 0);
	assert_int_equal(take(map, -1, FALLOW_SNAPSHOT_CHANGES), -EBADF);
	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_CHANGES), 0);
	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_WHOLE), 0);
	must_have_no_chain(map, image);
	assert_int_equal(fallow_snapshot_stop(NULL), -EINVAL);
	close(full);
	close(image);
	fallow_map_destroy(map);
}

/* Close what the program does not know, as daemons do. */
static void close_userfaultfds(void)
{
	char path[64], target[64];

	for (int fd = 3; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strstr(target, "userfaultfd"))
			close(fd);
	}
}

/* What is written then is not seen by anybody. */
static void watch_that_was_closed(void **state)
{
	int image = memfd_create("image", MFD_CLOEXEC);
	struct fallow_map *map = new_map();

	(void)state;
	must_equal(fallow_map_populate(map, 0, PIECE, FALLOW_POPULATE_WRITE), 0);
	assert_int_equal(take(map, image, FALLOW_SNAPSHOT_BASE), 0);
	close_userfaultfds();
	memset(fallow_map_base(map), 'w', PIECE);
	int result = take(map, image, FALLOW_SNAPSHOT_CHANGES);
	/* The watch may have noticed first. */
	assert_true(result == -EBADF || result == -ENOENT);
	must_have_no_chain(map, image);
	close(image);
	fallow_map_destroy(map);
}

/* A child has no chain, and what it does is not in its parent's, which goes on. */
static void child_has_none(void **state)
{
	int images[NIMAGES], status;
	struct fallow_map *map = make_chain(images);
	char *base = fallow_map_base(map);
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		memset(base, 'c', LENGTH);
		must_have_no_chain(map, images[0]);
		must_equal(fallow_map_resize(map, LENGTH / 2), 0);
		must_equal(fallow_map_destroy(map), 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	base[PIECE] ^= 1;
	assert_int_equal(lseek(images[0], 0, SEEK_SET), 0);
	assert_int_equal(take(map, images[0], FALLOW_SNAPSHOT_CHANGES), 0);
	assert_in_range(lseek(images[0], 0, SEEK_CUR), 4 * KiB, 5 * KiB);
	end_chain(map, images);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_that_do_not_follow),
		cmocka_unit_test(changes_that_are_cut_short),
		cmocka_unit_test(chains_that_are_over),
		cmocka_unit_test(watch_that_was_closed),
		cmocka_unit_test(child_has_none),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
