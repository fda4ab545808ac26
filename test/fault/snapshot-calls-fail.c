/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that whichever system call of a snapshot or a restore fails, in whichever thread, the answer is one: a snapshot
 * that is said to be complete has the instant's content, any other is an error; a writer never waits for ever; nothing
 * stays protected, the map has what was written to it, no descriptor is left open, and restoring ends in the image's
 * content or in an empty map. The n-th call of each kind fails, for every n that is reached.
 */
#include <pthread.h>

#include "os/os.h"
#include "test/api/pattern.h"
#include "test/api/snapshot-kinds.h"

#define KiB ((size_t)1 << 10)
#define LENGTH (1024 * KiB)
#define FILLED (256 * KiB)
#define NFDS 256

static const int errors[FL_OS_NCALLS] = {
	[FL_OS_MMAP] = -ENOMEM,
	[FL_OS_MADVISE] = -EFAULT,
	[FL_OS_FALLOCATE] = -ENOSPC,
	[FL_OS_FSTAT] = -EIO,
	[FL_OS_OPEN] = -EMFILE,
	[FL_OS_DUP] = -EMFILE,
	[FL_OS_GETFL] = -EBADF,
	[FL_OS_READ] = -EIO,
	[FL_OS_WRITE] = -EIO,
	[FL_OS_PROCESS_VM_WRITEV] = -EFAULT,
	[FL_OS_PROCESS_VM_READV] = -EFAULT,
	[FL_OS_IOCTL] = -ENOTTY,
	[FL_OS_LSEEK] = -EINVAL,
	[FL_OS_PREAD] = -EIO,
	[FL_OS_USERFAULTFD] = -EMFILE,
	[FL_OS_EVENTFD] = -EMFILE,
	[FL_OS_POLL] = -ENOMEM,
	[FL_OS_FDATASYNC] = -EIO,
};

static enum fl_os_call failing;
static unsigned long fails_at; /* 0: never */
static unsigned long ncalls;   /* atomic: of the failing kind, in all threads */

static int answer(enum fl_os_call call, int detail)
{
	(void)detail;
	if (call != failing)
		return 0;
	return __atomic_add_fetch(&ncalls, 1, __ATOMIC_RELAXED) == fails_at ? errors[call] : 0;
}

static int nfds(void)
{
	int n = 0;

	for (int fd = 0; fd < NFDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void arm(unsigned long nth)
{
	__atomic_store_n(&ncalls, 0, __ATOMIC_RELAXED);
	fails_at = nth;
	fl_os_fault = answer;
}

/* How many calls there were. */
static unsigned long disarm(void)
{
	fl_os_fault = NULL;
	return __atomic_load_n(&ncalls, __ATOMIC_RELAXED);
}

static void fill(struct fallow_map *map)
{
	must_equal(fallow_map_populate(map, FILLED, FILLED, FALLOW_POPULATE_WRITE), 0);
	pattern_write((char *)fallow_map_base(map) + FILLED, FILLED, 1);
}

static void *change(void *map)
{
	char *base = fallow_map_base(map);

	pattern_write(base + FILLED, FILLED, 2);
	base[0] = 'w';
	return NULL;
}

/* Who writes meanwhile is let go on by the end of the snapshot at the latest. */
static int take_and_change(struct fallow_map *map, int image, enum fallow_snapshot_kind kind)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_snapshot *snapshot;
	pthread_t writer;

	options.sync = true;
	options.kind = kind;
	int result = fallow_snapshot_take(map, image, &options, &snapshot);
	must_equal(pthread_create(&writer, NULL, change, map), 0);
	if (result == 0)
		result = fallow_snapshot_wait(snapshot);
	must_equal(pthread_join(writer, NULL), 0);
	return result;
}

/* So many images, one after the other, make the content of before the change. */
static void must_have_instant(int image, int nimages)
{
	struct fallow_map *restored = snapshot_restored(image, LENGTH);

	for (int i = 1; i < nimages; i++)
		must_equal(fallow_snapshot_restore(restored, image, NULL), 0);
	must(pattern_holds((char *)fallow_map_base(restored) + FILLED, FILLED, 1));
	fallow_map_destroy(restored);
}

static bool take_fails(const struct map_kind *kind, unsigned long nth)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	struct fallow_map *map = map_create(&options);
	int image = memfd_create("image", MFD_CLOEXEC), before = nfds();

	fill(map);
	arm(nth);
	int result = take_and_change(map, image, FALLOW_SNAPSHOT_WHOLE);
	bool reached = disarm() >= nth;
	must_be_most(result, 0);
	must_equal(nfds(), before);
	must_equal(snapshot_nprotected(map), 0);
	must(pattern_holds((char *)fallow_map_base(map) + FILLED, FILLED, 2));
	if (result == 0)
		must_have_instant(image, 1);
	close(image);
	map_end(map, &options);
	return reached;
}

/* The image of changes of a chain, with a base in the same file. It may end after the image, which is good
 * then. */
static bool changes_fail(const struct map_kind *kind, unsigned long nth)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	struct fallow_snapshot_options base = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_map *map = map_create(&options);
	struct fallow_snapshot *snapshot;
	int image = memfd_create("image", MFD_CLOEXEC), before = nfds();

	base.kind = FALLOW_SNAPSHOT_BASE;
	must_equal(fallow_snapshot_take(map, image, &base, &snapshot), 0);
	must_equal(fallow_snapshot_wait(snapshot), 0);
	fill(map);
	arm(nth);
	int result = take_and_change(map, image, FALLOW_SNAPSHOT_CHANGES);
	bool reached = disarm() >= nth;
	must_be_most(result, 0);
	must(pattern_holds((char *)fallow_map_base(map) + FILLED, FILLED, 2));
	int stopped = fallow_snapshot_stop(map);
	must(stopped == 0 || stopped == -ENOENT);
	must_equal(nfds(), before);
	must_equal(snapshot_nprotected(map), 0);
	if (result == 0)
		must_have_instant(image, 2);
	close(image);
	map_end(map, &options);
	return reached;
}

static bool restore_fails(const struct map_kind *kind, unsigned long nth)
{
	struct fallow_map_options options = map_options(kind, LENGTH);
	struct fallow_map *map = map_create(&options);
	int image = memfd_create("image", MFD_CLOEXEC), before = nfds();

	fill(map);
	must_equal(fallow_snapshot_wait(snapshot_take(map, image)), 0);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	pattern_write((char *)fallow_map_base(map) + FILLED, FILLED, 2);
	arm(nth);
	int result = fallow_snapshot_restore(map, image, NULL);
	bool reached = disarm() >= nth;
	must_equal(nfds(), before);
	const char *content = (char *)fallow_map_base(map) + FILLED;
	if (result == 0)
		must(pattern_holds(content, FILLED, 1));
	else
		must(pattern_zero(content, FILLED) || pattern_holds(content, FILLED, 2));
	close(image);
	map_end(map, &options);
	return reached;
}

/* Every kind of call that a snapshot makes, each time a later one of it. */
static void sweep(bool (*fails)(const struct map_kind *kind, unsigned long nth), const struct map_kind *kind)
{
	size_t nreached = 0;

	for (size_t call = 0; call < FL_OS_NCALLS; call++) {
		failing = (enum fl_os_call)call;
		for (unsigned long nth = 1; errors[call] != 0 && fails(kind, nth); nth++)
			nreached++;
	}
	printf("%s: %zu calls failed\n", kind->name, nreached);
	must_be_least(nreached, 10);
}

static void takes(void **state)
{
	(void)state;
	sweep(take_fails, &map_kinds[0]);
	sweep(take_fails, &map_kinds[2]);
}

static void takes_changes(void **state)
{
	(void)state;
	sweep(changes_fail, &map_kinds[0]);
	sweep(changes_fail, &map_kinds[2]);
}

static void restores(void **state)
{
	(void)state;
	sweep(restore_fails, &map_kinds[0]);
	sweep(restore_fails, &map_kinds[2]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),
		cmocka_unit_test(takes_changes),
		cmocka_unit_test(restores),
	};

	snapshot_need();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
