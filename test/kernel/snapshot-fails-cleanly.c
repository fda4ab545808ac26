/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a snapshot whose image cannot be written (a full disk, a file size limit, a reader that has gone, a program
 * that closes every descriptor), or that is cancelled half way, says so, and that nothing of it stays: no page protected,
 * no write that waits, no more mappings than before, the content what the program wrote; and that another snapshot can be
 * taken. A writer is at work all along.
 */
#include <pthread.h>

#include "test/api/snapshot-kinds.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (16 * MiB)

struct work {
	struct fallow_map *map;
	size_t first; /* the first byte that is written to, one a page */
	bool stop;    /* atomic */
	size_t nbytes; /* atomic: written */
};

static void *work(void *argument)
{
	struct work *w = argument;
	volatile char *base = fallow_map_base(w->map);
	size_t at = w->first;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		base[at]++;
		__atomic_add_fetch(&w->nbytes, 1, __ATOMIC_RELEASE);
		at = at + 4096 < LENGTH ? at + 4096 : w->first;
	}
	return NULL;
}

/* Mappings that lie in the map. */
static size_t nmappings(struct fallow_map *map)
{
	uintptr_t base = (uintptr_t)fallow_map_base(map), start;
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];
	size_t n = 0;

	must(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		start = strtoul(line, NULL, 16);
		n += start >= base && start < base + LENGTH;
	}
	fclose(file);
	return n;
}

/* The work that was done, wherever it stopped: every page has been written to as often as those before it, or once less. */
static void must_have_worked(const struct work *w)
{
	const char *base = fallow_map_base(w->map);
	size_t nbytes = 0;

	for (size_t at = w->first; at < LENGTH; at += 4096)
		nbytes += (unsigned char)base[at];
	must_equal(nbytes % 256, w->nbytes % 256);
}

static struct fallow_map *filled_map(enum fallow_backing backing)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.backing = backing;
	options.length = LENGTH;
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_map_populate(map, 0, LENGTH, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(map), 'c', LENGTH);
	for (size_t at = 1; at < LENGTH; at += 4096)
		((char *)fallow_map_base(map))[at] = 0;
	return map;
}

typedef int end_fn(struct fallow_snapshot *snapshot);

/* Take to fd; end says what became of it. */
static void fails(enum fallow_backing backing, int fd, end_fn *end, int expected, size_t memory)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct work w = { .map = filled_map(backing), .first = 1 };
	size_t before = nmappings(w.map);
	struct fallow_snapshot *snapshot;
	pthread_t thread;

	options.memory = memory;
	must_equal(pthread_create(&thread, NULL, work, &w), 0);
	must_equal(fallow_snapshot_take(w.map, fd, &options, &snapshot), 0);
	must_equal(end(snapshot), expected);
	must_equal(snapshot_nprotected(w.map), 0);
	must_equal(nmappings(w.map), before);
	size_t done = __atomic_load_n(&w.nbytes, __ATOMIC_ACQUIRE);
	while (__atomic_load_n(&w.nbytes, __ATOMIC_ACQUIRE) < done + 10000)
		usleep(100);
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	must_have_worked(&w);

	/* To where no limit of the place is felt. */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	must_equal(fallow_snapshot_wait(snapshot_take(w.map, null)), 0);
	close(null);
	must_equal(fallow_map_destroy(w.map), 0);
}

static void fails_on_both(int fd, int expected)
{
	fails(FALLOW_BACKING_ANON, fd, fallow_snapshot_wait, expected, 0);
	fails(FALLOW_BACKING_MEMFD, fd, fallow_snapshot_wait, expected, 0);
}

static void to_file(const char *path, enum fallow_backing backing, int expected)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0);
	must_equal(unlink(path), 0);
	fails(backing, fd, fallow_snapshot_wait, expected, 0);
	close(fd);
}

static void to_full_tmpfs(void *unused)
{
	(void)unused;
	to_file(PLACE_TMPFS "/image", FALLOW_BACKING_ANON, -ENOSPC);
	to_file(PLACE_TMPFS "/image", FALLOW_BACKING_MEMFD, -ENOSPC);
}

static void to_full_disk(void *unused)
{
	(void)unused;
	to_file(PLACE_EXT4 "/image", FALLOW_BACKING_ANON, -ENOSPC);
	to_file(PLACE_EXT4 "/image", FALLOW_BACKING_MEMFD, -ENOSPC);
}

/* A memfd could not be made as long as the map. */
static void to_limited_file(void *unused)
{
	(void)unused;
	to_file(PLACE_TMPFS "/image", FALLOW_BACKING_ANON, -EFBIG);
}

static void to_full_device(void *unused)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)unused;
	fails_on_both(fd, -ENOSPC);
	close(fd);
}

static void to_nobody(void *unused)
{
	int ends[2];

	(void)unused;
	must_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	fails_on_both(ends[1], -EPIPE);
	close(ends[1]);
}

/* Once the pipe is full and some is written. */
static int cancel_half_way(struct fallow_snapshot *snapshot)
{
	while (snapshot_progress(snapshot).written < 4096)
		usleep(100);
	must(!snapshot_progress(snapshot).finished);
	must(snapshot_progress(snapshot).done < LENGTH);
	fallow_snapshot_cancel(snapshot);
	return fallow_snapshot_wait(snapshot);
}

/* With room for one copy, the writer waits for a reader who never comes. */
static int cancel_when_writes_wait(struct fallow_snapshot *snapshot)
{
	uint64_t nwaits = 0;

	for (int i = 0; i < 20 || nwaits == 0; i++) {
		usleep(10000);
		nwaits = snapshot_progress(snapshot).nwaits;
	}
	return cancel_half_way(snapshot);
}

static void cancelled_on(enum fallow_backing backing, int flags)
{
	end_fn *const ends[] = { cancel_half_way, cancel_when_writes_wait };
	int pipe[2];

	for (size_t i = 0; i < 2; i++) {
		must_equal(pipe2(pipe, O_CLOEXEC | flags), 0);
		fails(backing, pipe[1], ends[i], -ECANCELED, i);
		close(pipe[0]);
		close(pipe[1]);
	}
}

static void cancelled(void *flags)
{
	cancelled_on(FALLOW_BACKING_ANON, *(int *)flags);
	cancelled_on(FALLOW_BACKING_MEMFD, *(int *)flags);
}

/* As a daemon does, and opens files of its own under the numbers. */
static int close_every_descriptor(struct fallow_snapshot *snapshot)
{
	int files[32];

	must_equal(close_range(3, ~0U, 0), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		must((files[i] = memfd_create("mine", MFD_CLOEXEC)) >= 0);
	int result = fallow_snapshot_wait(snapshot);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		must_equal(lseek(files[i], 0, SEEK_END), 0);
		must_equal(close(files[i]), 0);
	}
	return result;
}

static void to_lost_descriptors(void *unused)
{
	int ends[2];

	(void)unused;
	must_equal(pipe2(ends, O_CLOEXEC), 0);
	fails(FALLOW_BACKING_ANON, ends[1], close_every_descriptor, -EBADF, 0);
}

static void image_cannot_be_written(void **state)
{
	struct place tmpfs = { .tmpfs = 4 * MiB }, disk = { .ext4 = 16 * MiB }, none = { .seconds = 60 };
	struct place limited = { .tmpfs = 64 * MiB, .file_size = 4 * MiB };

	(void)state;
	assert_lives(&tmpfs, to_full_tmpfs, NULL);
	assert_lives(&disk, to_full_disk, NULL);
	assert_lives(&limited, to_limited_file, NULL);
	assert_lives(&none, to_full_device, NULL);
	assert_lives(&none, to_nobody, NULL);
	assert_lives(&none, to_lost_descriptors, NULL);
}

static void cancelled_half_way(void **state)
{
	struct place none = { .seconds = 60 };
	int waiting = 0, not_waiting = O_NONBLOCK;

	(void)state;
	assert_lives(&none, cancelled, &waiting);
	assert_lives(&none, cancelled, &not_waiting);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_cannot_be_written),
		cmocka_unit_test(cancelled_half_way),
	};

	snapshot_need();
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
