/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine lock, the guardian that holds it, and the list of what to undo; see machine.h.
 *
 * The guardian inherits the lock's descriptor and the test closes its own, so that the lock is free when the guardian is
 * done and not before. It waits for one byte in a pipe (the test has come to its end) or for the test's pidfd (it is
 * dead, although children of it may hold the pipe open).
 */
#include "test/lib/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/test.h"

#define LOCK_WAIT_MS (10 * 60 * 1000)
#define UNDO_WAIT_MS 5000
#define STEP_MS 20

/* More than the longest list of changes. */
#define STATE_BYTES 16384

static struct {
	pid_t guardian; /* 0: none */
	int pipe;       /* to the guardian */
} machine;

static void sleep_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* As much of a small file as fits, terminated. 0 or -errno. */
static int read_text(const char *path, char *text, size_t length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t filled = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	do {
		got = read(fd, text + filled, length - 1 - filled);
		filled += got > 0 ? (size_t)got : 0;
	} while (got > 0 && filled < length - 1);
	close(fd);
	text[filled] = '\0';
	return got < 0 ? -EIO : 0;
}

int test_machine_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

long test_machine_number(const char *path)
{
	char text[64];

	return read_text(path, text, sizeof(text)) == 0 ? strtol(text, NULL, 10) : -1;
}

long test_machine_field(const char *path, const char *name)
{
	char text[16384];
	const char *at;

	if (read_text(path, text, sizeof(text)) < 0)
		return -1;
	at = strstr(text, name);
	return at != NULL ? strtol(at + strlen(name), NULL, 10) : -1;
}

static bool unmount_patiently(const char *path)
{
	for (int waited = 0; waited < UNDO_WAIT_MS; waited += STEP_MS) {
		if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
			return true;
		sleep_ms(STEP_MS);
	}
	return umount2(path, MNT_DETACH) == 0;
}

/* A cgroup is busy until the last process of the test is gone. */
static bool rmdir_patiently(const char *path)
{
	for (int waited = 0; waited < UNDO_WAIT_MS; waited += STEP_MS) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return true;
		sleep_ms(STEP_MS);
	}
	return false;
}

static bool undo(char *change)
{
	char *path = strchr(change, ' ');
	char *value;

	if (path == NULL)
		return false;
	*path++ = '\0';
	if (strcmp(change, "unmount") == 0)
		return unmount_patiently(path);
	if (strcmp(change, "rmdir") == 0)
		return rmdir_patiently(path);
	if (strcmp(change, "swapoff") == 0)
		return swapoff(path) == 0 || errno == EINVAL; /* it is not swap any more */
	value = strchr(path, ' ');
	if (strcmp(change, "set") != 0 || value == NULL)
		return false;
	*value++ = '\0';
	return test_machine_write(path, value) == 0;
}

/* Undo what is written down, last change first. The caller has the lock. */
static bool put_back(void)
{
	static char text[STATE_BYTES];
	bool all = true;
	char *end;

	if (access(TEST_MACHINE_STATE, F_OK) < 0)
		return true;
	if (read_text(TEST_MACHINE_STATE, text, sizeof(text)) < 0)
		return false;
	for (end = text + strlen(text); end > text;) {
		char *line = end - 1;

		*line = '\0';
		while (line > text && line[-1] != '\n')
			line--;
		end = line;
		if (!undo(line)) {
			dprintf(STDERR_FILENO, "machine: not put back: %s %s\n", line, line + strlen(line) + 1);
			all = false;
		}
	}
	unlink(TEST_MACHINE_STATE);
	return all;
}

/* The locked descriptor; ends the test when others do not let go. */
static int lock(void)
{
	int fd = open(TEST_MACHINE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		test_hard_error("cannot open " TEST_MACHINE_LOCK);
	for (long waited = 0; waited < LOCK_WAIT_MS; waited += STEP_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		sleep_ms(STEP_MS);
	}
	test_hard_error(TEST_MACHINE_LOCK " is taken");
}

bool test_machine_restore(void)
{
	int fd = lock();
	bool all = put_back();

	close(fd);
	return all;
}

static _Noreturn void guard(int from, int test)
{
	struct pollfd ends[] = { { .fd = from, .events = POLLIN }, { .fd = test, .events = POLLIN } };

	while (poll(ends, 2, -1) < 0 && errno == EINTR)
		continue;
	_exit(put_back() ? 0 : TEST_HARD_ERROR);
}

void test_machine_begin(void)
{
	int held, ends[2];
	int test = pidfd_open(getpid(), 0);

	if (geteuid() != 0)
		test_skip("changing the machine takes root");
	held = lock();
	if (!put_back())
		test_hard_error("what a killed test left cannot be put back");
	if (test < 0 || pipe2(ends, O_CLOEXEC) < 0)
		test_hard_error("no descriptors for the guardian");
	machine.guardian = fork();
	if (machine.guardian < 0)
		test_hard_error("cannot fork");
	if (machine.guardian == 0) {
		setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		close(ends[1]);
		guard(ends[0], test);
	}
	close(test);
	close(ends[0]);
	close(held);
	machine.pipe = ends[1];
}

void test_machine_end(void)
{
	int status = 0;

	if (write(machine.pipe, "", 1) != 1)
		test_hard_error("the guardian is gone");
	close(machine.pipe);
	while (waitpid(machine.guardian, &status, 0) < 0 && errno == EINTR)
		continue;
	machine.guardian = 0;
	if (status != 0)
		test_hard_error("the machine is not as it was");
}

/* One line for the list of what to undo. */
static void write_down(const char *change, const char *path, const char *value)
{
	char line[1024];
	int length = snprintf(line, sizeof(line), "%s %s%s%s\n", change, path, value[0] ? " " : "", value);
	int fd = open(TEST_MACHINE_STATE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || length >= (int)sizeof(line) || write(fd, line, (size_t)length) != length)
		test_hard_error("cannot write " TEST_MACHINE_STATE);
	close(fd);
}

void test_machine_set_later(const char *path, const char *value)
{
	write_down("set", path, value);
}

void test_machine_unmount_later(const char *path)
{
	write_down("unmount", path, "");
}

void test_machine_rmdir_later(const char *path)
{
	write_down("rmdir", path, "");
}

void test_machine_swapoff_later(const char *path)
{
	write_down("swapoff", path, "");
}

int test_machine_set(const char *path, const char *value)
{
	char old[256];
	int error = read_text(path, old, sizeof(old));

	if (error < 0)
		return error;
	old[strcspn(old, "\n")] = '\0';
	test_machine_set_later(path, old);
	return test_machine_write(path, value);
}
