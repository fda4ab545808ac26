/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine lock and the guardian behind it; see machine.h.
 *
 * The test talks to its guardian through a pipe, one change a line:
 *
 *   set PATH VALUE    write VALUE into PATH
 *   unmount PATH
 *   rmdir PATH
 *   end               undo now
 *
 * The guardian also watches a pidfd of the test, so that an end without "end" is noticed although children of the test
 * may hold the pipe open. What was written before the death is still in the pipe and is read first.
 */
#include "test/lib/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/test.h"

#define LOCK_FILE "/run/lock/fallow-machine.lock"
#define LOCK_WAIT_MS (10 * 60 * 1000)
#define UNDO_WAIT_MS 5000
#define STEP_MS 50
#define MAX_CHANGES 256

static struct {
	pid_t owner;    /* the process that took the lock; 0 before */
	pid_t guardian;
	int pipe;       /* to the guardian */
} machine;

static void sleep_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static int write_file(const char *path, const char *value)
{
	size_t length = strlen(value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, length) != (ssize_t)length)
		rc = -errno;
	close(fd);
	return rc;
}

/* Both fail with EBUSY for a while when processes of the test are still ending. */
static int unmount_patiently(const char *path)
{
	for (int waited = 0; waited < UNDO_WAIT_MS; waited += STEP_MS) {
		if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
			return 0;
		sleep_ms(STEP_MS);
	}
	return umount2(path, MNT_DETACH) == 0 ? 0 : -errno;
}

static int rmdir_patiently(const char *path)
{
	int rc = 0;

	for (int waited = 0; waited < UNDO_WAIT_MS; waited += STEP_MS) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		rc = -errno;
		sleep_ms(STEP_MS);
	}
	return rc;
}

static void undo(char *change)
{
	char *path = strchr(change, ' ');
	char *value;
	int rc = -EINVAL;

	if (path != NULL) {
		*path++ = '\0';
		if (strcmp(change, "unmount") == 0) {
			rc = unmount_patiently(path);
		} else if (strcmp(change, "rmdir") == 0) {
			rc = rmdir_patiently(path);
		} else if (strcmp(change, "set") == 0 && (value = strchr(path, ' ')) != NULL) {
			*value++ = '\0';
			rc = write_file(path, value);
		}
	}
	if (rc != 0)
		dprintf(STDERR_FILENO, "machine: cannot undo \"%s %s\": %s\n", change, path ? path : "", strerror(-rc));
}

/* Read changes until "end" or until the test is dead and the pipe is empty; then undo them. */
static _Noreturn void guard(int from, int test)
{
	char *changes[MAX_CHANGES];
	size_t nchanges = 0;
	struct pollfd ends[] = { { .fd = from, .events = POLLIN }, { .fd = test, .events = POLLIN } };
	FILE *lines = fdopen(from, "r");
	char *line = NULL;
	size_t room = 0;

	if (lines == NULL)
		_exit(TEST_HARD_ERROR);
	setvbuf(lines, NULL, _IONBF, 0);
	for (;;) {
		ssize_t length;

		if (poll(ends, 2, -1) < 0)
			continue;
		if ((ends[0].revents & POLLIN) == 0)
			break;
		length = getline(&line, &room, lines);
		if (length <= 0 || strcmp(line, "end\n") == 0)
			break;
		line[length - 1] = '\0';
		if (nchanges < MAX_CHANGES)
			changes[nchanges++] = strdup(line);
	}
	while (nchanges > 0)
		undo(changes[--nchanges]);
	_exit(0);
}

static void tell(const char *verb, const char *path, const char *value)
{
	char line[1024];
	int length = snprintf(line, sizeof(line), "%s%s%s%s%s\n", verb, *path ? " " : "", path, *value ? " " : "", value);

	if (length >= (int)sizeof(line) || write(machine.pipe, line, (size_t)length) != length)
		test_hard_error("the guardian of the machine does not listen");
}

static int lock_machine(void)
{
	int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		test_hard_error("cannot open " LOCK_FILE);
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited += STEP_MS) {
		if (waited >= LOCK_WAIT_MS)
			test_hard_error("another test holds " LOCK_FILE " for too long");
		sleep_ms(STEP_MS);
	}
	return fd;
}

void test_machine_begin(void)
{
	int ends[2];
	int lock, self;

	if (geteuid() != 0)
		test_skip("changing the machine takes root");
	lock = lock_machine();
	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (self < 0 || pipe2(ends, O_CLOEXEC) != 0)
		test_hard_error("cannot connect the guardian of the machine");
	machine.owner = getpid();
	machine.guardian = fork();
	if (machine.guardian < 0)
		test_hard_error("cannot fork the guardian of the machine");
	if (machine.guardian == 0) {
		setsid();
		signal(SIGHUP, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		close(ends[1]);
		guard(ends[0], self);
	}
	close(ends[0]);
	close(self);
	close(lock);
	machine.pipe = ends[1];
	atexit(test_machine_end);
}

void test_machine_end(void)
{
	if (machine.owner != getpid())
		return;
	machine.owner = 0;
	tell("end", "", "");
	close(machine.pipe);
	while (waitpid(machine.guardian, NULL, 0) < 0 && errno == EINTR)
		continue;
}

int test_machine_set(const char *path, const char *value)
{
	char old[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, old, sizeof(old) - 1);
	close(fd);
	if (length < 0)
		return -EIO;
	old[length] = '\0';
	old[strcspn(old, "\n")] = '\0';
	tell("set", path, old);
	return write_file(path, value);
}

void test_machine_unmount_later(const char *path)
{
	tell("unmount", path, "");
}

void test_machine_rmdir_later(const char *path)
{
	tell("rmdir", path, "");
}

int test_machine_fd(void)
{
	return machine.pipe;
}
