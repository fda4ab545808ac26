/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that on a hardened heap a write past a large block ends in SIGSEGV before it reaches the next, also after realloc has
 * moved the block's end up or down, and that what it covered is usable again once the block is freed.
 */
#include "test/lib/test.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/preload.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { SECONDS_EACH = 20 };

static const size_t sizes[] = { 40000, 200000, (2 << 20) - 1, 5 << 20 };

static int write_behind(volatile char *block)
{
	const struct rlimit no_core = { 0, 0 };
	size_t usable = malloc_usable_size((void *)block);
	pid_t pid = fork();
	int status;

	assert_return_code(pid, 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(SECONDS_EACH);
		signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
		block[usable - 1] = 'x';
		block[usable] = 'x';
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void traps_behind_the_block(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *block = malloc(sizes[i]), *next = malloc(sizes[i]);
		assert_int_equal(write_behind(block), SIGSEGV);
		block = realloc(block, sizes[i] * 3);
		assert_int_equal(write_behind(block), SIGSEGV);
		block = realloc(block, sizes[i]);
		assert_int_equal(write_behind(block), SIGSEGV);
		free(next);
		free(block);
	}
}

static void leaves_nothing_behind(void **state)
{
	(void)state;
	for (size_t round = 0; round < 200; round++) {
		size_t size = 40000 + round * 30000;
		char *block = malloc(size);
		memset(block, 1, size);
		block = realloc(block, size * 2);
		memset(block, 2, size * 2);
		free(block);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traps_behind_the_block),
		cmocka_unit_test(leaves_nothing_behind),
	};
	size_t page = (size_t)getpagesize();
	void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argc;
	if (probe == MAP_FAILED || madvise(probe, page, MADV_GUARD_INSTALL) != 0)
		test_skip("this kernel has no guard pages (6.13)");
	munmap(probe, page);
	test_preload(argv, "hardened:true");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
