/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that kernels and mappings which refuse MADV_POPULATE_WRITE and MADV_POPULATE_READ (EINVAL), and filters of system
 * calls which refuse these and process_vm_writev (EPERM), make no difference that a user could see: every page of the range
 * comes in, on every backing; where the backing is exhausted the answer is an error with its reason and no signal; and what
 * did come in before the end goes again. Where nothing is left that could bring pages in, that is an error as well.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "os/kernel.h"
#include "test/lib/lives.h"
#include "test/unit/site.h"

#define LENGTH ((size_t)1 << 20)
#define TMPFS_SIZE ((size_t)256 << 10)
#define HUGE ((size_t)2 << 20)
#define NHUGE 4

static unsigned int nrefused;

static bool is_populate(enum fl_os_call call, int detail)
{
	return call == FL_OS_MADVISE && (detail == MADV_POPULATE_WRITE || detail == MADV_POPULATE_READ);
}

static int refuse_populate(enum fl_os_call call, int detail)
{
	if (!is_populate(call, detail))
		return 0;
	nrefused++;
	return -EINVAL;
}

static int refuse_populate_and_writes(enum fl_os_call call, int detail)
{
	if (!is_populate(call, detail) && call != FL_OS_PROCESS_VM_WRITEV)
		return 0;
	nrefused++;
	return -EPERM;
}

static int refuse_everything(enum fl_os_call call, int detail)
{
	if (call == FL_OS_OPEN)
		return -ENOENT;
	return refuse_populate_and_writes(call, detail);
}

static int refuse(void **state)
{
	(void)state;
	nrefused = 0;
	fl_os_fault = refuse_populate;
	return 0;
}

static int refuse_more(void **state)
{
	(void)state;
	nrefused = 0;
	fl_os_fault = refuse_populate_and_writes;
	return 0;
}

static int refuse_all(void **state)
{
	(void)state;
	nrefused = 0;
	fl_os_fault = refuse_everything;
	return 0;
}

static int allow(void **state)
{
	(void)state;
	fl_os_fault = NULL;
	return 0;
}

static void every_page_comes_in(void **state)
{
	static const enum fallow_populate modes[] = { FALLOW_POPULATE_WRITE, FALLOW_POPULATE_READ };
	size_t page = fl_os_page_size();
	struct site site;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct fl_backing_options options = {
			.kind = i & 1 ? FALLOW_BACKING_MEMFD : FALLOW_BACKING_ANON,
			.share = i & 2 ? FALLOW_SHARE_SHARED : FALLOW_SHARE_PRIVATE,
			.populate = modes[i >> 2],
			.fd = -1,
			.node = -1,
		};

		site_open(&site, &options, LENGTH);
		nrefused = 0;
		assert_int_equal(site_populate(&site, LENGTH / 4, LENGTH / 2).reason, FALLOW_REASON_NONE);
		assert_true(nrefused > 0);
		assert_int_equal(site_pages(&site, 0, LENGTH), LENGTH / 2 / page);
		assert_int_equal(site_pages(&site, LENGTH / 4, LENGTH / 2), LENGTH / 2 / page);
		assert_true(site_reads(&site, 0, LENGTH, 0));
		site_close(&site);
	}
}

/* Blocks until there are no more; each is written whole. */
static size_t use_up(struct fallow_arena *arena, size_t size)
{
	struct fallow_failure failure;
	unsigned char *block;
	size_t n = 0;

	while ((block = fallow_arena_malloc(arena, size)) != NULL) {
		memset(block, 0xa5, size);
		must(++n * size <= 64 * FL_MIB);
	}
	must_equal(errno, ENOMEM);
	fallow_last_failure(&failure);
	must(failure.reason == FALLOW_REASON_TMPFS_FULL || failure.reason == FALLOW_REASON_POOL_EMPTY);
	return n;
}

static void arena_ends_in_null(struct fallow_arena_options *options, size_t size, size_t all)
{
	struct fallow_arena *arena;

	options->decay_ms = 0;
	must_equal(fallow_arena_create(options, &arena), 0);
	size_t n = use_up(arena, size);
	must(n * size >= all * 3 / 4);
	fallow_arena_reset(arena);
	must_equal(use_up(arena, size), n);
	fallow_arena_destroy(arena);
	must(nrefused > 0);
}

static void fill_tmpfs(void *unused)
{
	struct fallow_arena_options arena = FALLOW_ARENA_OPTIONS_INIT;
	struct fl_backing_options options = {
		.kind = FALLOW_BACKING_FILE, .own_fd = true, .node = -1,
		.fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600),
	};
	struct site site;

	(void)unused;
	site_open(&site, &options, 3 * TMPFS_SIZE);
	must_equal(site_populate(&site, 0, TMPFS_SIZE / 2).reason, FALLOW_REASON_NONE);
	site_write(&site, 0, TMPFS_SIZE / 2, 0x77);
	size_t storage = site_storage(&site), npages = site_pages(&site, 0, 3 * TMPFS_SIZE);
	must_equal(site_populate(&site, TMPFS_SIZE / 2, 2 * TMPFS_SIZE).reason, FALLOW_REASON_TMPFS_FULL);
	must_equal(site_storage(&site), storage);
	must_equal(site_pages(&site, 0, 3 * TMPFS_SIZE), npages);
	must(site_reads(&site, 0, TMPFS_SIZE / 2, 0x77));
	site_close(&site);

	arena.backing = FALLOW_BACKING_FILE;
	arena.fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600);
	arena_ends_in_null(&arena, 32 * FL_KIB, TMPFS_SIZE);
}

static void a_full_tmpfs_is_an_error(void **state)
{
	struct place place = { .tmpfs = TMPFS_SIZE };

	(void)state;
	assert_lives(&place, fill_tmpfs, NULL);
}

static void use_up_pool(void *unused)
{
	struct fallow_arena_options arena = FALLOW_ARENA_OPTIONS_INIT;
	struct fl_backing_options options = { .page_size = HUGE, .fd = -1, .node = -1 };
	struct site site;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		options.kind = arena.backing = i ? FALLOW_BACKING_MEMFD : FALLOW_BACKING_HUGETLB;
		arena.page_size = HUGE;
		site_open(&site, &options, (NHUGE + 2) * HUGE);
		must_equal(site_populate(&site, 0, HUGE).reason, FALLOW_REASON_NONE);
		site_write(&site, 0, HUGE, 0x77);
		must_equal(site_populate(&site, HUGE, (NHUGE + 1) * HUGE).reason, FALLOW_REASON_POOL_EMPTY);
		must_equal(place_free_2m(), (NHUGE - 1) * HUGE);
		must(site_reads(&site, 0, HUGE, 0x77));
		must_equal(site_populate(&site, HUGE, (NHUGE - 1) * HUGE).reason, FALLOW_REASON_NONE);
		must_equal(place_free_2m(), 0);
		site_close(&site);
		must_equal(place_free_2m(), NHUGE * HUGE);
		arena_ends_in_null(&arena, HUGE / 4, NHUGE * HUGE);
		must_equal(place_free_2m(), NHUGE * HUGE);
	}
}

static void an_empty_pool_is_an_error(void **state)
{
	struct place place = { .huge_2m = NHUGE };

	(void)state;
	assert_lives(&place, use_up_pool, NULL);
}

static void no_way_is_an_error(void **state)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_failure failure;
	struct fallow_arena *arena;

	(void)state;
	assert_int_equal(fallow_arena_create(&options, &arena), 0);
	errno = 0;
	assert_null(fallow_arena_malloc(arena, LENGTH));
	assert_int_equal(errno, ENOMEM);
	fallow_last_failure(&failure);
	assert_int_equal(failure.reason, FALLOW_REASON_FAULT);
	assert_true(nrefused > 0);
	fallow_arena_destroy(arena);
}

/* Have the kernel answer EPERM to these calls: the populating advice, and writing by address. */
static void install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_writev, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_WRITE, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_READ, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { FL_LENGTH(code), code };

	must_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	must_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
	errno = 0;
	must(madvise(NULL, 0, MADV_POPULATE_WRITE) == -1 && errno == EPERM);
}

static void fill_tmpfs_filtered(void *unused)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	struct fallow_arena *arena;

	(void)unused;
	install_filter();
	options.backing = FALLOW_BACKING_FILE;
	options.fd = open(PLACE_TMPFS, O_TMPFILE | O_RDWR, 0600);
	must_equal(fallow_arena_create(&options, &arena), 0);
	must(use_up(arena, 32 * FL_KIB) * 32 * FL_KIB >= TMPFS_SIZE * 3 / 4);
	fallow_arena_destroy(arena);
}

static void filters_of_system_calls_do_no_harm(void **state)
{
	struct place place = { .tmpfs = TMPFS_SIZE };

	(void)state;
	assert_lives(&place, fill_tmpfs_filtered, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_page_comes_in, refuse, allow),
		cmocka_unit_test_setup_teardown(a_full_tmpfs_is_an_error, refuse, allow),
		cmocka_unit_test_setup_teardown(an_empty_pool_is_an_error, refuse, allow),
		cmocka_unit_test_setup_teardown(every_page_comes_in, refuse_more, allow),
		cmocka_unit_test_setup_teardown(a_full_tmpfs_is_an_error, refuse_more, allow),
		cmocka_unit_test_setup_teardown(an_empty_pool_is_an_error, refuse_more, allow),
		cmocka_unit_test_setup_teardown(no_way_is_an_error, refuse_all, allow),
		cmocka_unit_test(filters_of_system_calls_do_no_harm),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
