/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running mistakes in children.
 */
#include "test/abort/misuse.h"

#include "test/lib/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_EACH = 20, MOST_CASES = 64 };

static int address_pipe;

void *misuse_tell(void *address)
{
	void *volatile told = address; /* so that no compiler sees it coming */

	if (write(address_pipe, &address, sizeof address) != sizeof address)
		_exit(99);
	return told;
}

static size_t read_all(int fd, char *buffer, size_t length)
{
	size_t filled = 0;
	ssize_t count;

	while (filled < length && (count = read(fd, buffer + filled, length - filled)) > 0)
		filled += (size_t)count;
	return filled;
}

static _Noreturn void run_child(const struct misuse *wrong, int addresses, int errors)
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
	const struct misuse *wrong = *state;
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
	snprintf(expected, sizeof expected, "fallow: %s of %p: %s\n", wrong->call, address, wrong->kind);
	assert_string_equal(seen, expected);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static size_t add(struct CMUnitTest *tests, size_t n, const struct misuse *cases, size_t ncases)
{
	for (size_t i = 0; i < ncases && n < MOST_CASES; i++) {
		void *state = (void *)(uintptr_t)&cases[i];
		tests[n++] = (struct CMUnitTest){cases[i].name, ends_in_one_line_and_abort, NULL, NULL, state};
	}
	return n;
}

int misuse_run(const struct misuse *more, size_t nmore)
{
	struct CMUnitTest tests[MOST_CASES];
	size_t n = add(tests, add(tests, 0, wrong_frees, nwrong_frees), more, nmore);

	if (n != nwrong_frees + nmore)
		test_hard_error("too many cases");
	return _cmocka_run_group_tests("misuse", tests, n, NULL, NULL);
}
