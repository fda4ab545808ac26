/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the gate knows every limit that applies in a real memory cgroup, as it is now: one that is raised or lowered while the
 * program runs, one of a group above, also when that is used up by another group, and one in a container's namespace,
 * where the group is the root of all that can be seen. Each time memory is taken until NULL and written, the process lives,
 * and gets 90 % of what is to be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fallow/arena.h>
#include <fallow/stats.h>

#include "test/kernel/memory-cgroup.h"
#include "test/lib/lives.h"

#define MiB ((long long)1 << 20)
#define LIMIT (128 * MiB)
#define BLOCK 100000

/* Longer than a lease lasts, and what is known of the group. */
#define NOTICED_MS 1100

struct block {
	struct block *next;
};

static struct fallow_arena *arena;

static int write_number(const char *path, long long number)
{
	char text[32];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%lld", number), error = 0;

	must(fd >= 0);
	if (write(fd, text, (size_t)n) != n)
		error = -errno;
	close(fd);
	return error;
}

static int set_limit(long long limit)
{
	char path[MEMORY_CGROUP_PATH];

	memory_cgroup_file(path, "memory.limit_in_bytes");
	return write_number(path, limit);
}

static long long used(void)
{
	char path[MEMORY_CGROUP_PATH];

	memory_cgroup_file(path, "memory.usage_in_bytes");
	return test_machine_number(path);
}

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Take blocks until there is no more, or most bytes, and write them. */
static struct block *take(long long most)
{
	struct block *first = NULL, *block = NULL;

	for (long long nbytes = 0; nbytes < most; nbytes += BLOCK) {
		block = fallow_arena_malloc(arena, BLOCK);
		if (block == NULL)
			break;
		memset(block, 0x5a, BLOCK);
		block->next = first;
		first = block;
	}
	return first;
}

static void give(struct block *first)
{
	for (struct block *next; first != NULL; first = next) {
		next = first->next;
		fallow_arena_free(arena, first);
	}
}

/* Take all there is below a limit of which used bytes are used: 90 % must be had. */
static struct block *take_all(long long limit, long long used_before)
{
	struct fallow_failure failure;
	struct block *first = take(limit);
	long long got = used() - used_before;

	printf("%lld of %lld KiB\n", got >> 10, (limit - used_before) >> 10);
	must_equal(fallow_last_failure(&failure), 0);
	must_equal(failure.reason, FALLOW_REASON_MEMORY_CGROUP);
	must_be_least(got * 10, (limit - used_before) * 9);
	return first;
}

static void start(void)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.decay_ms = 100;
	must_equal(fallow_arena_create(&options, &arena), 0);
}

static void raised(void *unused)
{
	(void)unused;
	start();
	struct block *first = take_all(LIMIT, used());
	must_equal(set_limit(2 * LIMIT), 0);
	struct block *second = take_all(2 * LIMIT, used());
	give(first);
	give(second);
}

static void lowered(void *unused)
{
	(void)unused;
	start();
	struct block *first = take(LIMIT / 4);
	must_equal(set_limit(LIMIT / 2), 0);
	wait_ms(NOTICED_MS);
	struct block *second = take_all(LIMIT / 2, used());
	/* Below what is used: the kernel says no, and idle memory does not stand in the way. */
	must_equal(set_limit(LIMIT / 4), -EBUSY);
	give(first);
	give(second);
	wait_ms(NOTICED_MS);
	must_equal(set_limit(LIMIT / 4), 0);
	give(take_all(LIMIT / 4, used()));
}

/* Make a group below the process's own and move there; to: its directory. */
static void descend(const char *name, char to[600])
{
	char procs[700];

	memory_cgroup_file(to, name);
	test_machine_rmdir_later(to);
	must_equal(mkdir(to, 0755), 0);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", to);
	must_equal(write_number(procs, 0), 0);
}

static void above(void *unused)
{
	char outer[600], inner[600];
	long long before;

	(void)unused;
	memory_cgroup_file(outer, "memory.usage_in_bytes");
	descend("inner", inner);
	descend("innermost", inner);
	start();
	before = test_machine_number(outer);
	struct block *first = take(LIMIT);
	must_be_least((test_machine_number(outer) - before) * 10, (LIMIT - before) * 9);
	give(first);
}

static void used_up_beside(void *unused)
{
	char outer[600], one[600], other[600], procs[700];
	long long before;

	(void)unused;
	memory_cgroup_file(outer, "memory.usage_in_bytes");
	memory_cgroup_file(other, "other");
	descend("one", one);
	/* Charged to the one that it is left behind in. */
	char *held = mmap(NULL, (size_t)LIMIT / 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(held != MAP_FAILED);
	memset(held, 1, (size_t)LIMIT / 2);
	test_machine_rmdir_later(other);
	must_equal(mkdir(other, 0755), 0);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", other);
	must_equal(write_number(procs, 0), 0);
	start();
	before = test_machine_number(outer);
	struct block *first = take(LIMIT);
	must_be_least((test_machine_number(outer) - before) * 10, (LIMIT - before) * 9);
	give(first);
}

static void in_a_container(void *unused)
{
	(void)unused;
	must_equal(unshare(CLONE_NEWCGROUP | CLONE_NEWNS), 0);
	must_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	must_equal(umount2(MEMORY_CGROUP_MOUNT, MNT_DETACH), 0);
	must_equal(mount("cgroup", MEMORY_CGROUP_MOUNT, "cgroup", 0, "memory"), 0);
	start();
	give(take_all(LIMIT, used()));
}

static void lives_through(void **state)
{
	static const struct place place = { .memory_cgroup = (size_t)LIMIT };

	assert_lives(&place, *(place_fn **)*state, NULL);
}

int main(void)
{
	static place_fn *const cases[] = { raised, lowered, above, used_up_beside, in_a_container };
#define CASE(i, text) { text, lives_through, NULL, NULL, (void *)&cases[i] }
	const struct CMUnitTest tests[] = {
		CASE(0, "raised"), CASE(1, "lowered"), CASE(2, "of a group above"),
		CASE(3, "used up by a group beside"), CASE(4, "in a container"),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
