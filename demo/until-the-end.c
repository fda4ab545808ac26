/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * until-the-end PLACE: a program that asks for memory without end, twice in the same place: once by what everybody has,
 * once by a fallow arena. Shows side by side what became of both.
 *
 *     tmpfs DIRECTORY   a file on a tmpfs of 8 MiB: plain mmap, and an arena on the file
 *     pool              an all but empty pool of huge pages: plain mmap, and an arena on a pool
 *     limit             ordinary memory: glibc's malloc, and an arena with a limit of 8 MiB
 *
 * The work is to collect records in blocks of 64 KiB and to write them to a file when no more fit. Each side runs in a child
 * and tells by shared memory how far it came. Exit status 0 only when the one side ended as the table says and the other
 * did its work: nothing is shown that was not seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fallow/fallow.h>

#define MIB ((size_t)1 << 20)
#define LIMIT (8 * MIB)
#define BLOCK ((size_t)64 << 10)
#define MOST (64 * MIB) /* where a side that meets no end is stopped */
#define RECORD 64
#define HUGE "/sys/kernel/mm/hugepages/hugepages-2048kB/"

/* What a side tells, while it runs: it may die at any time. */
struct account {
	size_t got;      /* bytes in blocks that were filled */
	bool refused;    /* was told that there is no more */
	struct fallow_failure failure;
	size_t nwritten; /* bytes of records in the file */
	size_t kept;     /* bytes of the backing in use after all was freed */
	bool again;      /* could allocate as much again */
	bool ended;      /* came to its end */
	int signal;      /* or the signal that ended it */
};

struct place {
	const char *backing;   /* what there is 8 MiB of */
	const char *plain;     /* name of the usual way */
	const char *ours;
	void *(*plain_take)(void);
	int (*arena_create)(struct fallow_arena **arena);
	size_t (*in_use)(void); /* bytes of the backing */
	bool kills;            /* the usual way ends by SIGBUS, else it meets no end */
	enum fallow_reason reason;
};

static const char *directory;
static struct fallow_arena *arena;
static struct fallow_pool *pool;
static void *blocks[MOST / BLOCK];

/* The usual ways */

static void *cut_from(void *mapping)
{
	static size_t used;

	if (mapping == MAP_FAILED)
		return NULL;
	used += BLOCK;
	return (char *)mapping + used - BLOCK;
}

static int open_file(void)
{
	return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void *tmpfs_plain_take(void)
{
	static void *mapping;

	if (mapping == NULL) {
		int fd = open_file();
		if (fd < 0 || ftruncate(fd, MOST) != 0)
			return NULL;
		mapping = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	return cut_from(mapping);
}

static void *pool_plain_take(void)
{
	static void *mapping;

	if (mapping == NULL)
		mapping = mmap(NULL, MOST, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	return cut_from(mapping);
}

static void *limit_plain_take(void)
{
	return malloc(BLOCK);
}

/* Arenas in the same places */

static int tmpfs_arena_create(struct fallow_arena **made)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.backing = FALLOW_BACKING_FILE;
	options.fd = open_file();
	return fallow_arena_create(&options, made);
}

/* The pool may hold more pages than the system has: it is the system's end that is met. */
static int pool_arena_create(struct fallow_arena **made)
{
	struct fallow_pool_options supply = FALLOW_POOL_OPTIONS_INIT;
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	supply.supply = FALLOW_POOL_ON_DEMAND;
	supply.page_size = 2 * MIB;
	supply.npages = MOST / (2 * MIB);
	int result = fallow_pool_create(&supply, &pool);
	options.pool = pool;
	return result != 0 ? result : fallow_arena_create(&options, made);
}

static int limit_arena_create(struct fallow_arena **made)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.limit = LIMIT;
	return fallow_arena_create(&options, made);
}

static size_t tmpfs_in_use(void)
{
	struct statvfs fs;

	return statvfs(directory, &fs) == 0 ? (fs.f_blocks - fs.f_bfree) * fs.f_frsize : SIZE_MAX;
}

static size_t number_in(const char *path)
{
	size_t number = SIZE_MAX;
	FILE *file = fopen(path, "r");

	if (file && fscanf(file, "%zu", &number) != 1)
		number = SIZE_MAX;
	if (file)
		fclose(file);
	return number;
}

static size_t pool_in_use(void)
{
	return (number_in(HUGE "nr_hugepages") - number_in(HUGE "free_hugepages")) * 2 * MIB;
}

static size_t limit_in_use(void)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	return arena && fallow_arena_stats(arena, &stat) == 0 ? stat.populated : 0;
}

static void *arena_take(void)
{
	return fallow_arena_malloc(arena, BLOCK);
}

/* The work, the same on both sides */

/* Fill blocks until there are no more. Returns how many. */
static size_t collect(void *(*take)(void), struct account *account)
{
	size_t n = 0;

	for (; n < MOST / BLOCK; n++) {
		blocks[n] = take();
		if (blocks[n] == NULL) {
			account->refused = true;
			break;
		}
		for (size_t at = 0; at < BLOCK; at += RECORD)
			snprintf((char *)blocks[n] + at, RECORD, "record %08zu: %-42s\n", n * (BLOCK / RECORD) + at / RECORD,
				 "something worth keeping");
		account->got += BLOCK;
	}
	return n;
}

/* Write the blocks to a file, and count what arrived there whole. */
static size_t write_out(size_t n)
{
	char line[RECORD];
	size_t nrecords = 0, number;
	FILE *file = tmpfile();

	if (file == NULL)
		return 0;
	for (size_t i = 0; i < n; i++)
		for (size_t at = 0; at < BLOCK; at += RECORD)
			fwrite((char *)blocks[i] + at, 1, RECORD, file);
	rewind(file);
	while (fread(line, 1, RECORD, file) == RECORD && sscanf(line, "record %zu:", &number) == 1 && number == nrecords)
		nrecords++;
	fclose(file);
	return nrecords * RECORD;
}

static void run_plain(const struct place *place, struct account *account)
{
	size_t n = collect(place->plain_take, account);

	account->nwritten = write_out(n);
	account->ended = true;
}

static void run_ours(const struct place *place, struct account *account)
{
	struct account second = { 0 };

	if (place->arena_create(&arena) != 0)
		return;
	size_t n = collect(arena_take, account);
	fallow_last_failure(&account->failure);
	account->nwritten = write_out(n);
	while (n > 0)
		fallow_arena_free(arena, blocks[--n]);
	fallow_arena_trim(arena, NULL);
	account->kept = place->in_use();
	collect(arena_take, &second);
	account->again = second.got == account->got;
	fallow_arena_destroy(arena);
	account->ended = fallow_pool_destroy(pool) == 0;
}

/* Run a side in a child, which cannot harm us. */
static void run(void (*side)(const struct place *, struct account *), const struct place *place, struct account *account)
{
	static const struct rlimit no_core;
	int status;

	fflush(stdout);
	pid_t child = fork();
	if (child < 0)
		return;
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(30);
		side(place, account);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	account->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* What is shown */

static const char *bold = "", *good = "", *bad = "", *off = "";

static void choose_colours(void)
{
	if (isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL) {
		bold = "\033[1m";
		good = "\033[32m";
		bad = "\033[31m";
		off = "\033[0m";
	}
}

static void row(const char *what, const char *colour, const char *left, const char *right)
{
	printf("    %-14s  %s%-30s%s  %s%s%s\n", what, colour, left, off, *colour ? good : "", right, off);
}

static void show(const struct place *place, const struct account *plain, const struct account *ours)
{
	char left[100], right[100];

	printf("    %-14s  %s%-30s  %s%s\n", "", bold, place->plain, place->ours, off);
	snprintf(left, sizeof(left), "%.1f MiB", (double)plain->got / MIB);
	snprintf(right, sizeof(right), "%.1f MiB", (double)ours->got / MIB);
	row("got", "", left, right);
	snprintf(left, sizeof(left), plain->signal ? "killed: SIG%s" : "no end: stopped by the demo", 
		 plain->signal ? sigabbrev_np(plain->signal) : "");
	snprintf(right, sizeof(right), "NULL: %s", fallow_reason_text(ours->failure.reason));
	row("at the end", bad, left, right);
	snprintf(left, sizeof(left), plain->nwritten ? "%zu records written out" : "lost", plain->nwritten / RECORD);
	snprintf(right, sizeof(right), "%zu records written out", ours->nwritten / RECORD);
	row("its work", plain->nwritten ? "" : bad, left, right);
	snprintf(right, sizeof(right), "%.1f MiB of %s in use", (double)ours->kept / MIB, place->backing);
	row("then it frees", "", "-", right);
	row("and asks again", "", "-", ours->again ? "gets as much as before" : "gets less");
}

/* Whether the table says what this program is there to show. */
static bool is_as_claimed(const struct place *place, const struct account *plain, const struct account *ours)
{
	bool plain_ends = place->kills ? plain->signal == SIGBUS && plain->nwritten == 0 :
					 plain->signal == 0 && plain->got == MOST;

	return plain_ends && ours->signal == 0 && ours->ended && ours->refused && ours->failure.reason == place->reason &&
	       ours->got >= LIMIT * 95 / 100 && ours->got <= LIMIT && ours->nwritten == ours->got && ours->kept < BLOCK &&
	       ours->again;
}

static const struct place places[] = {
	{ "the tmpfs", "mmap of a file there", "fallow arena on a file there", tmpfs_plain_take, tmpfs_arena_create, tmpfs_in_use,
	  true, FALLOW_REASON_TMPFS_FULL },
	{ "the pool", "mmap of huge pages", "fallow arena on huge pages", pool_plain_take, pool_arena_create, pool_in_use, true,
	  FALLOW_REASON_POOL_EMPTY },
	{ "the arena", "glibc's malloc", "fallow arena, limit 8 MiB", limit_plain_take, limit_arena_create, limit_in_use, false,
	  FALLOW_REASON_ARENA_LIMIT },
};

int main(int argc, char **argv)
{
	static const char *const names[] = { "tmpfs", "pool", "limit" };
	size_t chosen = 0;

	while (chosen < 3 && (argc < 2 || strcmp(argv[1], names[chosen]) != 0))
		chosen++;
	if (chosen == 3 || argc != (chosen == 0 ? 3 : 2)) {
		fputs("usage: until-the-end tmpfs DIRECTORY | pool | limit\n", stderr);
		return 2;
	}
	directory = argv[2];
	struct account *accounts =
		mmap(NULL, 2 * sizeof(*accounts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (accounts == MAP_FAILED)
		return 2;
	run(run_plain, &places[chosen], &accounts[0]);
	run(run_ours, &places[chosen], &accounts[1]);
	choose_colours();
	show(&places[chosen], &accounts[0], &accounts[1]);
	return is_as_claimed(&places[chosen], &accounts[0], &accounts[1]) ? 0 : 1;
}
