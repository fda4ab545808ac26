/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a wrong pointer given to free or realloc ends the process by SIGABRT after exactly one line on stderr, which
 * names what is wrong and the address.
 *
 * Each case runs in a child of its own. It tells the address over a pipe, then commits the mistake.
 */
#include "test/lib/test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/preload.h"

enum { SECONDS_EACH = 20 };

static const char double_free[] = "double free";
static const char foreign[] = "not allocated by fallow";
static const char interior[] = "not the start of a block";

static int address_pipe;

/* Where the mistake will be; volatile, so that no compiler sees it coming. */
static void *tell(void *address)
{
	void *volatile told = address;

	if (write(address_pipe, &address, sizeof address) != sizeof address)
		_exit(99);
	return told;
}

static void twice(size_t size)
{
	void *block = malloc(size);
	void *again = tell(block);

	free(block);
	free(again);
}

static void twice_small(void)
{
	twice(40);
}

static void twice_medium(void)
{
	twice(20000);
}

static void twice_large(void)
{
	twice(3 << 20);
}

static void twice_huge(void)
{
	twice(300 << 20);
}

static void twice_with_others_between(void)
{
	void *others[100], *again;

	for (int i = 0; i < 100; i++)
		others[i] = malloc(40);
	again = tell(others[50]);
	for (int i = 0; i < 100; i++)
		free(others[i]);
	free(again);
}

static void *free_it(void *block)
{
	free(block);
	return NULL;
}

static void twice_by_two_threads(void)
{
	void *block = malloc(40), *again = tell(block);
	pthread_t thread;

	free(block);
	if (pthread_create(&thread, NULL, free_it, again) != 0)
		_exit(99);
	pthread_join(thread, NULL);
	/* A slot freed from afar may be found out only when its owner takes it home. */
	for (int i = 0; i < 100000; i++)
		free(malloc(40));
}

static void twice_by_another_thread(void)
{
	void *block = malloc(40), *again = tell(block);
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_it, block) != 0)
		_exit(99);
	pthread_join(thread, NULL);
	free(again);
	for (int i = 0; i < 100000; i++)
		free(malloc(40));
}

static void after_realloc_moved_it(void)
{
	void *block = malloc(40), *again = tell(block);

	if (realloc(block, 1 << 20) == block)
		_exit(99);
	free(again);
}

static void realloc_of_freed(void)
{
	void *block = malloc(40), *again = tell(block);

	free(block);
	again = realloc(again, 80);
}

static void aligned_twice(void)
{
	void *block = aligned_alloc(4096, 4096), *again = tell(block);

	free(block);
	free(again);
}

static char in_data[64] __attribute__((aligned(16)));

static void static_data(void)
{
	free(tell(in_data));
}

static void stack(void)
{
	char local[64] __attribute__((aligned(16)));

	free(tell(local));
}

static void code(void)
{
	free(tell((void *)(uintptr_t)stack));
}

static void mapping(void)
{
	free(tell(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}

static void never_mapped(void)
{
	free(tell((void *)0x10));
}

static void beyond_user_space(void)
{
	free(tell((void *)(uintptr_t)0xffff888012345670));
}

static void not_canonical(void)
{
	free(tell((void *)(uintptr_t)0xdeadbeefdeadbee0));
}

static void realloc_of_foreign(void)
{
	void *volatile result = realloc(tell(in_data), 100);

	(void)result;
}

static void inside_large(void)
{
	free(tell((char *)malloc(8 << 20) + 4096));
}

static void inside_huge(void)
{
	free(tell((char *)malloc(300 << 20) + (100 << 20)));
}

struct wrong_free {
	const char *name;
	void (*commit)(void);
	const char *kind;
};

static const struct wrong_free cases[] = {
	{"twice, small", twice_small, double_free},
	{"twice, medium", twice_medium, double_free},
	{"twice, large", twice_large, double_free},
	{"twice, huge", twice_huge, double_free},
	{"twice, with others between", twice_with_others_between, double_free},
	{"twice, the second time by another thread", twice_by_two_threads, double_free},
	{"twice, the first time by another thread", twice_by_another_thread, double_free},
	{"twice, aligned", aligned_twice, double_free},
	{"after realloc moved it", after_realloc_moved_it, double_free},
	{"realloc of a freed block", realloc_of_freed, double_free},
	{"static data", static_data, foreign},
	{"stack", stack, foreign},
	{"code", code, foreign},
	{"a mapping of the program", mapping, foreign},
	{"an address never mapped", never_mapped, foreign},
	{"a kernel address", beyond_user_space, foreign},
	{"an address that cannot be", not_canonical, foreign},
	{"realloc of static data", realloc_of_foreign, foreign},
	{"inside a large block", inside_large, interior},
	{"inside a huge block", inside_huge, interior},
};

static size_t read_all(int fd, char *buffer, size_t length)
{
	size_t filled = 0;
	ssize_t count;

	while (filled < length && (count = read(fd, buffer + filled, length - filled)) > 0)
		filled += (size_t)count;
	return filled;
}

static _Noreturn void run_child(const struct wrong_free *wrong, int addresses, int errors)
{
	const struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	alarm(SECONDS_EACH);
	dup2(errors, STDERR_FILENO);
	address_pipe = addresses;
	signal(SIGABRT, SIG_DFL); /* cmocka catches it */
	signal(SIGSEGV, SIG_DFL);
	wrong->commit();
	_exit(0);
}

static void ends_in_one_line_and_abort(void **state)
{
	const struct wrong_free *wrong = *state;
	int addresses[2], errors[2], status;
	char seen[4096], expected[256];
	void *address = NULL;
	pid_t pid;

	assert_return_code(pipe(addresses), 0);
	assert_return_code(pipe(errors), 0);
	pid = fork();
	assert_return_code(pid, 0);
	if (pid == 0)
		run_child(wrong, addresses[1], errors[1]);
	close(addresses[1]);
	close(errors[1]);
	assert_int_equal(read_all(addresses[0], (char *)&address, sizeof address), sizeof address);
	seen[read_all(errors[0], seen, sizeof seen - 1)] = '\0';
	close(addresses[0]);
	close(errors[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	snprintf(expected, sizeof expected, "fallow: free of %p: %s\n", address, wrong->kind);
	assert_string_equal(seen, expected);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(int argc, char **argv)
{
	enum { COUNT = sizeof cases / sizeof *cases };
	struct CMUnitTest tests[COUNT];

	(void)argc;
	test_preload(argv, NULL);
	for (size_t i = 0; i < COUNT; i++)
		tests[i] = (struct CMUnitTest){cases[i].name, ends_in_one_line_and_abort, NULL, NULL, (void *)(uintptr_t)&cases[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
