/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests that change the machine: one at a time, and everything is put back, even when the test is killed.
 *
 * A guardian process in a session of its own holds the machine lock. Each change is told to it before it is made; when
 * the test ends, however it ends, the guardian undoes them, last first, and then lets go of the lock. Nothing is undone
 * when the guardian itself is killed. Scripts have the same by sourcing machine.sh.
 */
#ifndef FALLOW_TEST_MACHINE_H
#define FALLOW_TEST_MACHINE_H

/* Where a script started by with-machine finds the guardian. */
#define TEST_MACHINE_SCRIPT_FD 9

/*
 * Take the lock, waiting at most ten minutes, and start the guardian. Skips the test where it is not run by root. Call
 * it once, in main, before any other thread and not in a process that has the lock through a parent.
 */
void test_machine_begin(void);

/* Undo every change and release the lock. Runs by itself at exit of the process that called test_machine_begin(). */
void test_machine_end(void);

/* Write value into a file of /proc or /sys; its present content comes back at the end. 0 or -errno. */
int test_machine_set(const char *path, const char *value);

/* Tell the guardian before the thing is made: unmount path, or remove the directory (a cgroup's too) at the end. */
void test_machine_unmount_later(const char *path);
void test_machine_rmdir_later(const char *path);

/* The descriptor to which machine.sh writes its own changes; belongs to the guardian's connection. */
int test_machine_fd(void);

#endif
