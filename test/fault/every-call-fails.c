/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that whichever system call fails, the answer is one: a script of everything that arenas, pools, options and the
 * process heap do is run with the n-th call failing, for every n that it reaches, for each kind of call and for all of
 * them together, once and for good. Requests end in memory that can be used or in NULL with ENOMEM and a reason; other
 * calls in 0 or in -errno; live blocks keep their contents; after the last destroy no mapping, descriptor or region is
 * left; and with the fault gone the same script succeeds.
 *
 * Where munmap itself is made to fail a mapping must stay, but nothing else goes wrong for it later.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "diag/options.h"
#include "os/os.h"
#include "test/fault/inject.h"
#include "test/lib/lives.h"

#define KiB ((size_t)1 << 10)
#define MiB ((size_t)1 << 20)
#define NBLOCKS 24

/* After so many runs with a fault comes one without. */
#define RECOVERY 8

/* Exit status of a child that did not get as far as its fault. */
#define UNREACHED 3

#if defined(__SANITIZE_THREAD__)
/* A child may start the helper. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

/* Where the sweep is, seen by whoever reports a crash. */
static struct progress {
	enum fl_os_call kind;
	unsigned long nth;
	bool for_good;
} *progress;

/* What a run has met. */
static struct {
	bool fault_free; /* nothing may fail */
	unsigned int nfailures;
} run;

/* A result of a call that is not malloc-shaped: 0, what the kernel said, or an errno that the headers name. */
static void check_result(int result)
{
	static const int documented[] = { 0, -ENOMEM, -EINVAL, -EOPNOTSUPP, -ENODEV, -EBADF, -EACCES, -EBUSY };
	bool known = inject_struck(result);

	for (size_t i = 0; i < FL_LENGTH(documented); i++)
		known = known || result == documented[i];
	must(known);
	run.nfailures += result != 0;
	if (run.fault_free)
		must_equal(result, 0);
}

struct block {
	unsigned char *bytes;
	size_t size;
	unsigned char mark;
};

struct desk {
	struct fallow_arena *arena; /* NULL: the process heap */
	struct block blocks[NBLOCKS];
	unsigned char next_mark;
};

/* A block or a proper NULL. */
static void check_block(const void *bytes)
{
	struct fallow_failure failure;

	if (bytes != NULL)
		return;
	must_equal(errno, ENOMEM);
	fallow_last_failure(&failure);
	must(failure.reason != FALLOW_REASON_NONE);
	must(strcmp(fallow_reason_text(failure.reason), "unknown") != 0);
	must(!run.fault_free);
	run.nfailures++;
}

/* Whether n bytes are all value. */
static bool is_filled(const unsigned char *bytes, size_t n, unsigned char value)
{
	return n == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static void check_contents(const struct block *block)
{
	must(block->bytes == NULL || is_filled(block->bytes, block->size, block->mark));
}

static void fill(struct desk *desk, struct block *block, unsigned char *bytes, size_t size)
{
	check_block(bytes);
	*block = (struct block){ bytes, bytes ? size : 0, ++desk->next_mark };
	if (bytes)
		memset(bytes, block->mark, size);
}

static void desk_malloc(struct desk *desk, struct block *block, size_t size)
{
	errno = 0;
	fill(desk, block, desk->arena ? fallow_arena_malloc(desk->arena, size) : fallow_malloc(size), size);
}

static void desk_calloc(struct desk *desk, struct block *block, size_t size)
{
	errno = 0;
	unsigned char *bytes = desk->arena ? fallow_arena_calloc(desk->arena, 1, size) : fallow_calloc(1, size);
	must(bytes == NULL || is_filled(bytes, size, 0));
	fill(desk, block, bytes, size);
}

static void desk_aligned(struct desk *desk, struct block *block, size_t alignment, size_t size)
{
	errno = 0;
	unsigned char *bytes = desk->arena ? fallow_arena_aligned_alloc(desk->arena, alignment, size) :
					     fallow_aligned_alloc(alignment, size);
	must_equal((uintptr_t)bytes % alignment, 0);
	fill(desk, block, bytes, size);
}

/* What cannot be resized is untouched. */
static void desk_realloc(struct desk *desk, struct block *block, size_t size)
{
	size_t kept = size < block->size ? size : block->size;

	errno = 0;
	unsigned char *bytes = desk->arena ? fallow_arena_realloc(desk->arena, block->bytes, size) :
					     fallow_realloc(block->bytes, size);
	check_block(bytes);
	if (bytes == NULL) {
		check_contents(block);
		return;
	}
	must(is_filled(bytes, kept, block->mark));
	fill(desk, block, bytes, size);
}

static void desk_free(struct desk *desk, struct block *block)
{
	check_contents(block);
	errno = 12345;
	if (desk->arena)
		fallow_arena_free(desk->arena, block->bytes);
	else
		fallow_free(block->bytes);
	must_equal(errno, 12345);
	block->bytes = NULL;
}

/* Blocks of all kinds of sizes come, change and go. All of it is less than 2 MiB at a time. */
static void work_at(struct desk *desk)
{
	static const size_t sizes[] = { 1, 100, 1500, 5000, 20000, 32768, 40000, 120000 };
	struct block *blocks = desk->blocks;

	for (size_t i = 0; i < FL_LENGTH(sizes); i++) {
		desk_malloc(desk, &blocks[i], sizes[i]);
		desk_calloc(desk, &blocks[8 + i], sizes[i]);
	}
	desk_aligned(desk, &blocks[16], 4096, 100);
	desk_aligned(desk, &blocks[17], 256 * KiB, 70000);
	desk_aligned(desk, &blocks[18], 64, 32768);
	for (size_t i = 0; i < 19; i += 2)
		desk_realloc(desk, &blocks[i], blocks[i].size * 2 + 1);
	for (size_t i = 1; i < 19; i += 3)
		desk_free(desk, &blocks[i]);
	for (size_t i = 0; i < 19; i += 3)
		desk_realloc(desk, &blocks[i], blocks[i].size / 3 + 1);
	desk_calloc(desk, &blocks[19], 200000);
	desk_malloc(desk, &blocks[20], 250000);
	for (size_t i = 0; i < NBLOCKS; i++)
		check_contents(&blocks[i]);
}

static void free_half(struct desk *desk)
{
	for (size_t i = 0; i < NBLOCKS; i += 2)
		desk_free(desk, &desk->blocks[i]);
}

static void free_rest(struct desk *desk)
{
	for (size_t i = 0; i < NBLOCKS; i++)
		desk_free(desk, &desk->blocks[i]);
}

/* The life of an arena. */
static void live_in(const struct fallow_arena_options *options)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
	struct desk desk = { 0 };
	size_t released;

	int result = fallow_arena_create(options, &desk.arena);
	check_result(result);
	if (result != 0)
		return;
	work_at(&desk);
	free_half(&desk);
	check_result(fallow_arena_trim(desk.arena, &released));
	check_result(fallow_arena_set_limit(desk.arena, 6 * MiB));
	check_result(fallow_arena_set_limit(desk.arena, options->limit));
	work_at(&desk);
	memset(desk.blocks, 0, sizeof(desk.blocks));
	fallow_arena_reset(desk.arena);
	work_at(&desk);
	check_result(fallow_arena_stats(desk.arena, &stat));
	free_half(&desk);
	fallow_arena_destroy(desk.arena);
}

/* Scripts */

struct script {
	const char *name;
	void (*play)(void);
	bool huge;   /* runs on the system's pool of huge pages */
	bool starts; /* starts the process heap, once a process, which keeps what it maps */
};

static struct fallow_arena_options arena_options(enum fallow_backing backing)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;

	options.backing = backing;
	options.limit = 16 * MiB;
	options.decay_ms = 0;
	return options;
}

static void play_anon(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_ANON);

	options.thp = FALLOW_THP_ALWAYS;
	live_in(&options);
}

static void play_anon_kept(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_ANON);

	options.decay_ms = FALLOW_DECAY_NEVER;
	options.populate = FALLOW_POPULATE_READ;
	live_in(&options);
}

static void play_anon_shared(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_ANON);

	options.share = FALLOW_SHARE_SHARED;
	live_in(&options);
}

static void play_memfd(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_MEMFD);

	live_in(&options);
}

static void play_memfd_allocated(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_MEMFD);

	options.populate = FALLOW_POPULATE_ALLOCATE;
	live_in(&options);
}

static void play_memfd_private(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_MEMFD);

	options.share = FALLOW_SHARE_PRIVATE;
	live_in(&options);
}

static int null, err;

/* Messages are not this test's output. */
static void quietly(void (*fn)(void))
{
	dup2(null, 2);
	fn();
	dup2(err, 2);
}

static void live_spilling(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_MEMFD);

	options.spill = FALLOW_SPILL_ANON;
	live_in(&options);
}

/* When huge pages are at an end, or seem to be, ordinary memory serves. */
static void play_spilling(void)
{
	quietly(live_spilling);
}

static int file = -1;

static void play_file(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_FILE);

	options.fd = file;
	live_in(&options);
	options.share = FALLOW_SHARE_PRIVATE;
	live_in(&options);
}

static void play_process_heap(void)
{
	struct desk desk = { 0 };

	work_at(&desk);
	free_half(&desk);
	work_at(&desk);
	free_rest(&desk);
}

static void play_strict_process_heap(void)
{
	fl_options.populate = FL_OPTION_POPULATE_STRICT;
	fl_options.decay = 0;
	play_process_heap();
}

static void set_and_read(void)
{
	char *environment[] = { (char *)"FALLOW_CONF=spill:maybe,limit:0,nonsense", NULL };
	struct fallow_stats stats = FALLOW_STATS_INIT;
	char text[100];

	fl_options_start(environment);
	check_result(fallow_option_set("decay", "2s"));
	check_result(fallow_option_get("decay", text, sizeof(text)));
	check_result(fallow_option_set("decay", "1s"));
	check_result(fallow_stats_read(&stats));
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	check_result(fallow_stats_write(fd, FALLOW_STATS_TEXT));
	check_result(fallow_stats_write(fd, FALLOW_STATS_JSON));
	close(fd);
}

static void play_options_and_stats(void)
{
	quietly(set_and_read);
}

static void play_hugetlb(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_HUGETLB);

	live_in(&options);
}

static void play_memfd_hugetlb(void)
{
	struct fallow_arena_options options = arena_options(FALLOW_BACKING_MEMFD);

	options.page_size = 2 * MiB;
	live_in(&options);
}

static void live_in_pool(const struct fallow_pool_options *options)
{
	struct fallow_arena_options arena = arena_options(FALLOW_BACKING_ANON);
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;
	struct fallow_pool *pool;

	int result = fallow_pool_create(options, &pool);
	check_result(result);
	if (result != 0)
		return;
	arena.pool = pool;
	live_in(&arena);
	check_result(fallow_pool_resize(pool, options->npages + 2));
	check_result(fallow_pool_resize(pool, 2));
	check_result(fallow_pool_resize(pool, options->npages));
	live_in(&arena);
	check_result(fallow_pool_stats(pool, &stat));
	must_equal(stat.narenas, 0);
	must_equal(fallow_pool_destroy(pool), 0);
}

static void play_pool_held(void)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;

	options.npages = 8;
	live_in_pool(&options);
}

static void play_pool_on_demand(void)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;

	options.backing = FALLOW_BACKING_MEMFD;
	options.node = access("/sys/devices/system/node/node0", F_OK) == 0 ? 0 : -1;
	options.supply = FALLOW_POOL_ON_DEMAND;
	options.decay_ms = 0;
	options.npages = 8;
	live_in_pool(&options);
}

static void play_pool_on_mount(void)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;

	options.mount = PLACE_HUGETLBFS;
	options.npages = 8;
	live_in_pool(&options);
}

static const struct script scripts[] = {
	{ .name = "anon", .play = play_anon },
	{ .name = "anon kept", .play = play_anon_kept },
	{ .name = "anon shared", .play = play_anon_shared },
	{ .name = "memfd", .play = play_memfd },
	{ .name = "memfd allocated", .play = play_memfd_allocated },
	{ .name = "memfd private", .play = play_memfd_private },
	{ .name = "spilling", .play = play_spilling },
	{ .name = "file", .play = play_file },
	{ .name = "process heap", .play = play_process_heap, .starts = true },
	{ .name = "strict process heap", .play = play_strict_process_heap, .starts = true },
	{ .name = "options and stats", .play = play_options_and_stats },
	{ .name = "hugetlb", .play = play_hugetlb, .huge = true },
	{ .name = "memfd hugetlb", .play = play_memfd_hugetlb, .huge = true },
	{ .name = "pool held", .play = play_pool_held, .huge = true },
	{ .name = "pool on demand", .play = play_pool_on_demand, .huge = true },
	{ .name = "pool on mount", .play = play_pool_on_mount, .huge = true },
};

/* The sweep */

static void play(const struct script *script, bool fault_free)
{
	run.fault_free = fault_free;
	run.nfailures = 0;
	script->play();
}

/* One run with a fault. False when the fault was never reached. */
static bool play_with_fault(const struct script *script, struct fault fault)
{
	struct holdings before = holdings_now();

	progress->kind = fault.kind;
	progress->nth = fault.nth;
	progress->for_good = fault.for_good;
	inject(fault);
	play(script, false);
	bool reached = inject_end() >= fault.nth;
	struct holdings after = holdings_now();
	if (!inject_struck_munmap() && !script->starts) {
		must_equal(after.mapped, before.mapped);
		must_equal(after.metadata, before.metadata);
	}
	must_equal(after.nfds, before.nfds);
	if (!script->starts)
		must_equal(after.nregions, before.nregions);
	must(reached || run.nfailures == 0);
	return reached;
}

static bool play_in_child(const struct script *script, struct fault fault)
{
	int status;
	pid_t child = fork();

	must(child >= 0);
	if (child == 0) {
		bool reached = play_with_fault(script, fault);
		/* Huge pages in a mapping that had to stay are not there for the next. */
		if (fault.nth % RECOVERY == 0 && !(script->huge && inject_struck_munmap()))
			play(script, true);
		_exit(reached ? 0 : UNREACHED);
	}
	must_equal(waitpid(child, &status, 0), child);
	must(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == UNREACHED));
	return WEXITSTATUS(status) == 0;
}

/* The same for n = 1, 2, ..., and every now and then a run without a fault. */
static void sweep_kind(const struct script *script, struct fault fault)
{
	/* What munmap does not take away goes with a process of its own; a heap starts in each for the first time. */
	bool apart = fault.kind == FL_OS_MUNMAP || fault.kind == INJECT_ANY || script->starts;
	bool reached = true;

	for (fault.nth = 1; reached; fault.nth++) {
		if (apart) {
			reached = play_in_child(script, fault);
		} else {
			reached = play_with_fault(script, fault);
			if (fault.nth % RECOVERY == 0)
				play(script, true);
		}
	}
	if (!script->starts)
		play(script, true);
}

static void sweep(const struct script *script)
{
	/* Twice, so that what is made once for good is there. */
	for (int i = 0; i < 2 && !script->starts; i++)
		play(script, true);
	for (unsigned int kind = 0; kind <= INJECT_ANY; kind++) {
		sweep_kind(script, (struct fault){ (enum fl_os_call)kind, 1, false });
		sweep_kind(script, (struct fault){ (enum fl_os_call)kind, 1, true });
	}
}

static void sweep_script(void *argument)
{
	const struct script *script = argument;

	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	err = fcntl(2, F_DUPFD_CLOEXEC, 3);
	file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	must(null >= 0 && err >= 0 && file >= 0);
	inject_prepare();
	if (!script->starts)
		fallow_free(fallow_malloc(1));
	sweep(script);
}

static void report(void)
{
	if (progress->nth != 0)
		printf("last: %s to fail at call %lu %s\n",
		       progress->kind == INJECT_ANY ? "any call" : fl_os_call_name(progress->kind), progress->nth,
		       progress->for_good ? "and after" : "once");
}

static void sweep_in(const struct place *place, const struct script *script)
{
	*progress = (struct progress){ 0 };
	struct place_result result = place_run(place, sweep_script, (void *)script);

	if (result.end == PLACE_LACKS) {
		printf("skipped: %s\n", result.reason);
		lives_nskipped++;
		skip();
	}
	if (result.end == PLACE_EXITED && result.value == 0)
		return;
	report();
	fail_msg("script %s: %s %d", script->name,
		 result.end == PLACE_EXITED ? "exit status" :
		 result.end == PLACE_KILLED ? "signal" :
					      "hung",
		 result.value);
}

static void on_ordinary_memory(void **state)
{
	struct place place = { 0 };

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(scripts); i++) {
		if (!scripts[i].huge)
			sweep_in(&place, &scripts[i]);
	}
}

static void on_huge_pages(void **state)
{
	struct place place = { .huge_2m = 16, .hugetlbfs = PLACE_UNSIZED };

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(scripts); i++) {
		if (scripts[i].huge)
			sweep_in(&place, &scripts[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_ordinary_memory),
		cmocka_unit_test(on_huge_pages),
	};

	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		test_hard_error("no shared page");
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
