/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the statistics of stats:exit go to stderr as the program found it, and not into a file of the program's that
 * has its number by the end.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "test/lib/preload.h"
#include "test/preload/check.h"

static const char content[] = "the program's own";

/* End in a child in which end has had its way with stderr. */
static void run(void (*end)(int), int file)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		free(malloc(100));
		end(file);
		exit(check_status());
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void be_another_file(int file)
{
	CHECK(close(STDERR_FILENO) == 0);
	CHECK(dup(file) == STDERR_FILENO);
	CHECK(write(STDERR_FILENO, content, sizeof content) == (ssize_t)sizeof content);
}

static void be_what_it_was(int file)
{
	int saved = dup(STDERR_FILENO);

	be_another_file(file);
	CHECK(dup2(saved, STDERR_FILENO) == STDERR_FILENO);
}

static off_t length_of(int file)
{
	return lseek(file, 0, SEEK_END);
}

int main(int argc, char **argv)
{
	/* What the second life finds as stderr. */
	char log[] = "/tmp/fallow-stats-XXXXXX";

	(void)argc;
	if (getenv("FALLOW_TEST_PRELOADED") == NULL) {
		int fd = mkstemp(log);
		CHECK(fd >= 0 && unlink(log) == 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	}
	test_preload(argv, "stats:exit");

	int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	CHECK(file >= 0);
	run(be_another_file, file);
	CHECK(length_of(file) == (off_t)sizeof content);
	CHECK(length_of(STDERR_FILENO) == 0);
	run(be_what_it_was, file);
	CHECK(length_of(file) == 2 * (off_t)sizeof content);
	CHECK(length_of(STDERR_FILENO) > 0);
	return check_status();
}
