/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a program with fallow preloaded, which mallocs until NULL in a memory cgroup and then writes all it got, is
 * not killed: whatever page cache or shared memory fills most of the group beforehand, with one thread and with four,
 * whether blocks are brought in beforehand or left to faults, with huge pages and without. It gets 90 % of what is to be
 * had, is told why there is no more, frees it, and can have it again. Beside it the same program on libc's malloc is killed.
 *
 * RUNS in the environment is how often each is run (1), CASES a pattern of the names of those that are run (*).
 * EVERY: all fillings and numbers of threads in the larger groups, too. PEERS, "NAME=LIBRARY ...": other allocators, of
 * which it is only told what becomes of them.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define MAX_PEERS 4
#define MAX_CASES 512

/* LOOPED: mapped, and a neighbour reads all of it over and over. */
enum filling { NOTHING, CLEAN, DIRTY, MAPPED, LOOPED, SHMEM, LOCKED, NFILLINGS };

static const char *const filling_names[NFILLINGS] = { "nothing", "clean cache", "dirty cache", "mapped cache",
						      "looped cache", "shared memory", "locked cache" };

struct way {
	const char *name;
	const char *conf;    /* NULL: not fallow */
	bool huge_pages_refused;
	const char *library; /* without fallow: to preload, or "" */
};

static const struct way ways[] = {
	{ .name = "strict", .conf = "populate:strict" },
	{ .name = "auto", .conf = "populate:auto" },
	{ .name = "strict without huge pages", .conf = "populate:strict", .huge_pages_refused = true },
};

static const struct way without_fallow = { .name = "libc", .library = "" };

struct one {
	const struct way *way;
	size_t limit;
	enum filling filling;
	int nthreads;
	size_t size; /* of a block */
};

/* A file without a name on a disk; -1 where there is none but in memory. */
static int open_file(void)
{
	struct statfs fs;
	int fd = open(getenv("top_builddir"), O_TMPFILE | O_RDWR, 0600);

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC)
		return fd;
	close(fd);
	return -1;
}

static void write_file(int fd, size_t length)
{
	static const char piece[MiB] = { 1 };

	for (size_t done = 0; done < length; done += sizeof(piece))
		must_equal(write(fd, piece, sizeof(piece)), sizeof(piece));
}

static void read_mapped(const volatile char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i += 4096)
		(void)bytes[i];
}

/* Read it for ever, with the pauses of one that has other work as well. */
static _Noreturn void loop_over(const volatile char *bytes, size_t length)
{
	for (size_t at = 0;; at = (at + MiB) % length) {
		read_mapped(bytes + at, MiB);
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
}

/* A process that holds pages of the file mapped until its group is killed. */
static void hold_mapped(int fd, size_t length, enum filling filling)
{
	int ready[2];
	char byte;

	must_equal(pipe(ready), 0);
	if (fork() == 0) {
		const volatile char *bytes = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
		must(bytes != MAP_FAILED);
		for (int round = 0; round < 3; round++)
			read_mapped(bytes, length);
		if (filling == LOCKED)
			must_equal(mlock((const void *)bytes, length), 0);
		must_equal(write(ready[1], "", 1), 1);
		if (filling == LOOPED)
			loop_over(bytes, length);
		for (;;)
			pause();
	}
	must_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

/* Fill the group with something that stays when this process executes another program. */
static void fill(enum filling filling, size_t length)
{
	int fd = filling == SHMEM ? memfd_create("fallow-filling", 0) : open_file();

	must(fd >= 0);
	if (filling == SHMEM) {
		must_equal(ftruncate(fd, (off_t)length), 0);
		must_equal(fallocate(fd, 0, 0, (off_t)length), 0);
		return;
	}
	write_file(fd, length);
	if (filling != DIRTY)
		must_equal(fsync(fd), 0);
	if (filling == MAPPED || filling == LOOPED || filling == LOCKED)
		hold_mapped(fd, length, filling);
}

/* What cannot be reclaimed leaves the rest to be had, which should be more than a few blocks for each thread. */
static bool is_lasting(enum filling filling)
{
	return filling == SHMEM || filling == LOCKED;
}

/* Bytes that one who reads a file may have on their way from the disk, locked: what is read ahead, and what then comes next. */
static long long read_ahead(void)
{
	int fd = open_file();
	struct stat stat;
	char path[64];

	must(fd >= 0 && fstat(fd, &stat) == 0);
	close(fd);
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(stat.st_dev), minor(stat.st_dev));
	return access(path, R_OK) == 0 ? 2 * test_machine_number(path) * 1024LL : 0;
}

static void take_all(void *argument)
{
	const struct one *one = argument;
	char program[4096], size[24], nthreads[24], locked[24];
	char *argv[] = { program, size, nthreads, locked, NULL };

	if (one->filling != NOTHING)
		fill(one->filling, is_lasting(one->filling) ? one->limit / 2 : one->limit / MiB * 2 / 3 * MiB);
	snprintf(program, sizeof(program), "%s/test/kernel/take-all", getenv("top_builddir"));
	snprintf(size, sizeof(size), "%zu", one->size);
	snprintf(nthreads, sizeof(nthreads), "%d", one->nthreads);
	snprintf(locked, sizeof(locked), "%lld", one->filling == LOOPED ? read_ahead() : 0LL);
	if (one->way->huge_pages_refused)
		must_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	if (one->way->conf != NULL)
		setenv("FALLOW_CONF", one->way->conf, 1);
	setenv("LD_PRELOAD", one->way->conf != NULL ? getenv("FALLOW_PRELOAD") : one->way->library, 1);
	place_execute(argv);
}

static int nruns(void)
{
	const char *text = getenv("RUNS");

	return text != NULL ? atoi(text) : 1;
}

static bool can_fill(enum filling filling)
{
	int fd = filling == NOTHING || filling == SHMEM ? 0 : open_file();

	if (fd > 0)
		close(fd);
	return fd >= 0;
}

static void lives(void **state)
{
	struct one *one = *state;
	struct place place = { .memory_cgroup = one->limit };

	if (!can_fill(one->filling)) {
		printf("skipped: the build is on no disk, which page cache would be of\n");
		lives_nskipped++;
		skip();
	}
	for (int i = 0; i < nruns(); i++)
		assert_lives(&place, take_all, one);
}

/* What becomes of a peer is told, and proves nothing. */
static void peer(void **state)
{
	struct one *one = *state;
	struct place place = { .memory_cgroup = one->limit };

	for (int i = 0; i < nruns(); i++) {
		struct place_result result = place_run(&place, take_all, one);
		if (result.end == PLACE_EXITED)
			printf("lives with exit status %d\n", result.value);
		else
			puts(result.end == PLACE_KILLED ? "is killed" : result.end == PLACE_HUNG ? "hangs" : result.reason);
	}
}

static void libc_is_killed(void **state)
{
	struct one one = { &without_fallow, 64 * MiB, NOTHING, 1, 1000 };
	struct place place = { .memory_cgroup = one.limit };
	struct place_result result = place_run(&place, take_all, &one);

	(void)state;
	if (result.end == PLACE_LACKS) {
		printf("skipped: %s\n", result.reason);
		lives_nskipped++;
		skip();
	}
	assert_int_equal(result.end, PLACE_KILLED);
	assert_int_equal(result.value, SIGKILL);
}

static struct CMUnitTest tests[MAX_CASES];
static size_t ntests;

static void add(const struct one *one)
{
	static struct one all[MAX_CASES];
	static char names[MAX_CASES][96];

	all[ntests] = *one;
	snprintf(names[ntests], sizeof(names[0]), "%s, %zu MiB with %s, %d threads of %zu bytes", one->way->name,
		 one->limit / MiB, filling_names[one->filling], one->nthreads, one->size);
	tests[ntests] = (struct CMUnitTest){ names[ntests], one->way->conf ? lives : peer, NULL, NULL, &all[ntests] };
	ntests++;
}

/* Larger groups take longer and differ little: fewer of them, unless every one is asked for. */
static bool is_wanted(size_t limit, enum filling filling, int nthreads)
{
	if (limit == 64 * MiB || getenv("EVERY") != NULL)
		return true;
	return limit == 256 * MiB ? nthreads == 4 || filling == NOTHING : nthreads == 4 && filling == NOTHING;
}

static void add_all(const struct way *way)
{
	static const size_t sizes[] = { 100, 30000, 100000, 60000 }, limits[] = { 64 * MiB, 256 * MiB, 2048 * MiB };
	static size_t turn;

	for (enum filling filling = NOTHING; filling < NFILLINGS; filling++)
		for (int nthreads = 1; nthreads <= 4; nthreads += 3)
			for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++)
				if (is_wanted(limits[l], filling, nthreads))
					add(&(struct one){ way, limits[l], filling, nthreads, sizes[turn++ % 4] });
}

static void add_peers(char *names)
{
	static struct way peers[MAX_PEERS];
	size_t n = 0;

	for (char *name = strtok(names, " "); name != NULL && n < MAX_PEERS; name = strtok(NULL, " ")) {
		char *library = strchr(name, '=');
		if (library == NULL)
			test_hard_error("PEERS: no = after a name");
		*library++ = '\0';
		peers[n] = (struct way){ .name = name, .library = library };
		add_all(&peers[n++]);
	}
}

int main(void)
{
	for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
		add_all(&ways[w]);
	if (getenv("PEERS") != NULL)
		add_peers(getenv("PEERS"));
	tests[ntests++] = (struct CMUnitTest)cmocka_unit_test(libc_is_killed);
	cmocka_set_test_filter(getenv("CASES"));
	return lives_end(_cmocka_run_group_tests("exhaust memory cgroup", tests, ntests, NULL, NULL));
}
