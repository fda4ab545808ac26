/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that what others do to the ground under fallow's feet is an error or nothing, and never a signal: an administrator
 * who empties the pool or makes a tmpfs smaller while they are in use, descriptors that are used up, a process without
 * /proc and /sys, or without rights, a filter that refuses system calls, and timers that interrupt populates. What was
 * allocated before goes on to be there, and what fails says why.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "test/api/map-kinds.h"
#include "test/lib/lives.h"

#define HUGE ((size_t)2 << 20)
#define MiB ((size_t)1 << 20)
#define NOBODY 65534

static enum fallow_reason last_reason(void)
{
	struct fallow_failure failure;

	must_equal(fallow_last_failure(&failure), 0);
	return failure.reason;
}

static void write_number(const char *path, long number)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld", number), fd = open(path, O_WRONLY);

	must(fd >= 0 && write(fd, text, (size_t)n) == n);
	close(fd);
}

/* Blocks of 64 KiB until there are no more; the last of them. */
static unsigned char *take_all(struct fallow_arena *arena, size_t *nblocks)
{
	unsigned char *block, *last = NULL;

	for (*nblocks = 0; (block = fallow_arena_malloc(arena, 60000)) != NULL; ++*nblocks)
		last = memset(block, 7, 60000);
	return last;
}

static struct fallow_arena *create_arena(enum fallow_backing backing, int fd)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	options.backing = backing;
	options.fd = fd;
	options.limit = 64 * MiB;
	must_equal(fallow_arena_create(&options, &arena), 0);
	return arena;
}

static void pool_resized(void *unused)
{
	struct fallow_arena *arena = create_arena(FALLOW_BACKING_HUGETLB, -1);
	unsigned char *block = fallow_arena_malloc(arena, 3 * HUGE);
	size_t nblocks;

	(void)unused;
	must(block != NULL);
	write_number(HUGE_2M "nr_hugepages", 0);
	memset(block, 1, 3 * HUGE);
	take_all(arena, &nblocks);
	must_be_most(nblocks, HUGE / 60000);
	must_equal(last_reason(), FALLOW_REASON_POOL_EMPTY);
	must(block[0] == 1 && block[3 * HUGE - 1] == 1);
	write_number(HUGE_2M "nr_hugepages", 8);
	unsigned char *more = fallow_arena_malloc(arena, HUGE);
	must(more != NULL);
	memset(more, 2, HUGE);
	fallow_arena_destroy(arena);
}

static void tmpfs_shrunk(void *unused)
{
	int fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600);
	struct fallow_arena *arena = create_arena(FALLOW_BACKING_FILE, fd);
	unsigned char *block = fallow_arena_malloc(arena, 2 * MiB);
	size_t nblocks;

	(void)unused;
	must(block != NULL);
	must_equal(mount("tmpfs", PLACE_TMPFS, "tmpfs", MS_REMOUNT, "size=3m"), 0);
	memset(block, 1, 2 * MiB);
	unsigned char *last = take_all(arena, &nblocks);
	must_be_most(nblocks, MiB / 60000);
	must_equal(last_reason(), FALLOW_REASON_TMPFS_FULL);
	must(last != NULL && last[0] == 7 && block[0] == 1 && block[2 * MiB - 1] == 1);
	must_equal(mount("tmpfs", PLACE_TMPFS, "tmpfs", MS_REMOUNT, "size=8m"), 0);
	must(fallow_arena_malloc(arena, 2 * MiB) != NULL);
	fallow_arena_destroy(arena);
}

/* What needs no descriptor goes on. */
static void no_descriptors(void *unused)
{
	struct fallow_arena *memfd = create_arena(FALLOW_BACKING_MEMFD, -1), *arena;
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct rlimit none = { 0, 0 };

	(void)unused;
	must_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	must(fallow_arena_malloc(memfd, MiB) != NULL);
	must(fallow_malloc(MiB) != NULL);
	fallow_arena_destroy(create_arena(FALLOW_BACKING_ANON, -1));
	options.backing = FALLOW_BACKING_MEMFD;
	must_equal(fallow_arena_create(&options, &arena), -EMFILE);
	options.backing = FALLOW_BACKING_HUGETLB;
	must_equal(fallow_arena_create(&options, &arena), -EMFILE);
	options.page_size = HUGE;
	must_equal(fallow_arena_create(&options, &arena), -EMFILE);
	fallow_arena_destroy(memfd);
}

/* Every ordinary use, and the ends of it that are said by what is not there. */
static void use_everything(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	enum fallow_backing backings[] = { FALLOW_BACKING_ANON, FALLOW_BACKING_MEMFD };
	size_t nblocks;

	void *blocks[] = { fallow_malloc(100), fallow_malloc(10 * MiB) };
	must(blocks[0] && blocks[1]);
	memset(blocks[1], 1, 10 * MiB);
	fallow_free(blocks[0]);
	fallow_free(blocks[1]);
	for (size_t i = 0; i < 2; i++) {
		struct fallow_arena *arena = create_arena(backings[i], -1);
		must(take_all(arena, &nblocks) != NULL);
		must_equal(last_reason(), FALLOW_REASON_ARENA_LIMIT);
		must_equal(fallow_arena_trim(arena, NULL), 0);
		fallow_arena_destroy(arena);

		options.backing = backings[i];
		options.length = 16 * MiB;
		struct fallow_map *map = map_create(&options);
		must_equal(fallow_map_populate(map, MiB, 8 * MiB, FALLOW_POPULATE_WRITE), 0);
		memset((char *)fallow_map_base(map) + MiB, 3, 8 * MiB);
		must_equal(fallow_map_discard(map, MiB, 4 * MiB), 0);
		must_equal(*((char *)fallow_map_base(map) + MiB), 0);
		must_equal(*((char *)fallow_map_base(map) + 6 * MiB), 3);
		fallow_map_destroy(map);
	}
}

static void no_proc_and_sys(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map_range range;
	size_t n = 1;

	(void)unused;
	must_equal(unshare(CLONE_NEWNS), 0);
	must_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	must_equal(umount2("/proc", MNT_DETACH), 0);
	must_equal(umount2("/sys", MNT_DETACH), 0);
	must_equal(access("/proc/self", F_OK), -1);
	use_everything();
	options.length = MiB;
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_map_residency(map, 0, MiB, &range, &n), -EOPNOTSUPP);
	must_equal(fallow_map_destroy(map), 0);
	/* A fork has nothing to ask, either. */
	must_be_least(fallow_fork(), 0);
}

static void nobody(void *unused)
{
	(void)unused;
	must_equal(setgroups(0, NULL), 0);
	must_equal(setgid(NOBODY), 0);
	must_equal(setuid(NOBODY), 0);
	use_everything();
	struct fallow_arena *arena = create_arena(FALLOW_BACKING_HUGETLB, -1);
	size_t nblocks;
	must(take_all(arena, &nblocks) != NULL);
	must_equal(last_reason(), FALLOW_REASON_POOL_EMPTY);
	fallow_arena_destroy(arena);
}

static void refuse(int number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	must_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	must_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Nothing can be given back but by unmapping; what is asked for says so. */
static void no_madvise(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_arena *arena;
	size_t nblocks;

	(void)unused;
	refuse(SYS_madvise);
	for (int i = 0; i < 100; i++) {
		unsigned char *block = fallow_calloc(1, 100000);
		must(block != NULL && block[0] == 0 && block[99999] == 0);
		memset(block, 1, 100000);
		fallow_free(block);
	}
	arena = create_arena(FALLOW_BACKING_MEMFD, -1);
	must(take_all(arena, &nblocks) != NULL);
	must_equal(last_reason(), FALLOW_REASON_ARENA_LIMIT);
	fallow_arena_destroy(arena);
	options.length = MiB;
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_map_populate(map, 0, MiB, FALLOW_POPULATE_WRITE), 0);
	*(char *)fallow_map_base(map) = 1;
	must_equal(fallow_map_discard(map, 0, MiB), -EPERM);
	must_equal(*(char *)fallow_map_base(map), 1);
	must_equal(fallow_map_destroy(map), 0);
}

static void no_userfaultfd(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_snapshot *snapshot;

	(void)unused;
	int fd = open("/dev/null", O_WRONLY);
	/* Root may have the device instead: here is none. */
	must_equal(unshare(CLONE_NEWNS), 0);
	must_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	must_equal(mount("tmpfs", "/dev", "tmpfs", 0, NULL), 0);
	refuse(SYS_userfaultfd);
	use_everything();
	options.length = MiB;
	struct fallow_map *map = map_create(&options);
	must_equal(fallow_dirty_start(map), -EOPNOTSUPP);
	must_equal(fallow_snapshot_take(map, fd, NULL, &snapshot), -EPERM);
	must_equal(fallow_map_destroy(map), 0);
}

static void no_memfd(void *unused)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	(void)unused;
	refuse(SYS_memfd_create);
	must(fallow_malloc(MiB) != NULL);
	options.backing = FALLOW_BACKING_MEMFD;
	must_equal(fallow_arena_create(&options, &arena), -EPERM);
	options.backing = FALLOW_BACKING_HUGETLB;
	must_equal(fallow_arena_create(&options, &arena), -EPERM);
}

static volatile sig_atomic_t nticks;

static void tick(int signal)
{
	(void)signal;
	nticks++;
}

/* fallocate on huge pages stops at each of them. */
static void timers(void *unused)
{
	const struct itimerval every = { { 0, 500 }, { 0, 500 } };
	struct sigaction action = { .sa_handler = tick };
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	enum fallow_backing backings[] = { FALLOW_BACKING_ANON, FALLOW_BACKING_MEMFD, FALLOW_BACKING_MEMFD };

	(void)unused;
	must_equal(sigaction(SIGALRM, &action, NULL), 0);
	must_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		options.backing = backings[i];
		options.page_size = i == 2 ? HUGE : 0;
		options.length = 64 * HUGE;
		struct fallow_map *map = map_create(&options);
		for (int round = 0; round < 3; round++) {
			if (i > 0)
				must_equal(fallow_map_populate(map, 0, options.length, FALLOW_POPULATE_ALLOCATE), 0);
			must_equal(fallow_map_populate(map, 0, options.length, FALLOW_POPULATE_WRITE), 0);
			must_equal(map_populated(map), options.length);
			must_equal(fallow_map_discard(map, 0, options.length), 0);
		}
		fallow_map_destroy(map);
	}
	must_be_least(nticks, 10);
}

#define LIVES(name, fn, ...)                                                                                           \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		static const struct place place = { __VA_ARGS__ };                                                     \
		(void)state;                                                                                           \
		assert_lives(&place, fn, NULL);                                                                        \
	}

LIVES(a_pool_is_resized_in_use, pool_resized, .huge_2m = 8)
LIVES(a_tmpfs_is_made_smaller_in_use, tmpfs_shrunk, .tmpfs = 8 * MiB)
LIVES(descriptors_are_used_up, no_descriptors, .huge_2m = 4)
LIVES(proc_and_sys_are_missing, no_proc_and_sys, .seconds = 60)
LIVES(a_user_without_rights, nobody, .huge_2m = 4)
LIVES(madvise_is_refused, no_madvise, .seconds = 60)
LIVES(userfaultfd_is_refused, no_userfaultfd, .seconds = 60)
LIVES(memfd_create_is_refused, no_memfd, .seconds = 60)
LIVES(timers_interrupt_populates, timers, .huge_2m = 64)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_resized_in_use),
		cmocka_unit_test(a_tmpfs_is_made_smaller_in_use),
		cmocka_unit_test(descriptors_are_used_up),
		cmocka_unit_test(proc_and_sys_are_missing),
		cmocka_unit_test(a_user_without_rights),
		cmocka_unit_test(madvise_is_refused),
		cmocka_unit_test(userfaultfd_is_refused),
		cmocka_unit_test(memfd_create_is_refused),
		cmocka_unit_test(timers_interrupt_populates),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
