/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests that change the machine: one at a time, and everything is put back, also when the test is killed.
 *
 * How to undo a change is written down in TEST_MACHINE_STATE before the change is made. A guardian, a process in a
 * session of its own, holds the machine lock; when the test ends, however it ends, the guardian undoes what is written
 * there, last change first, and lets go of the lock. Should the guardian be killed too, the next one to take the lock
 * does it, or `with-machine --restore`. Scripts have the same by sourcing machine.sh.
 */
#ifndef TEST_LIB_MACHINE_H
#define TEST_LIB_MACHINE_H

#include <stdbool.h>

#define TEST_MACHINE_LOCK "/run/lock/fallow-machine.lock"

/* One line a change: "set PATH VALUE", "unmount PATH", "rmdir PATH" or "swapoff PATH". */
#define TEST_MACHINE_STATE "/run/lock/fallow-machine.state"

/*
 * Take the lock, waiting at most ten minutes, put back what a killed test left, start the guardian. Ends the test as
 * skipped where it is not run by root, as a hard error where something is in the way. Not in a process that has the
 * lock already, by itself or through a parent, and not from several threads.
 */
void test_machine_begin(void);

/* Undo every change and release the lock. Ends the test as a hard error when something could not be put back. */
void test_machine_end(void);

/* Write value into a file of /proc or /sys; its present content comes back at the end. 0 or -errno. */
int test_machine_set(const char *path, const char *value);

/* The same without putting anything back: there is nothing to, or the caller sees to it. */
int test_machine_write(const char *path, const char *value);

/* Write down how to undo something that the caller does next: write value, unmount, remove the directory (cgroup), swapoff. */
void test_machine_set_later(const char *path, const char *value);
void test_machine_unmount_later(const char *path);
void test_machine_rmdir_later(const char *path);
void test_machine_swapoff_later(const char *path);

/* Put back what a killed test left, without a guardian. False with a line on stderr when something stays changed. */
bool test_machine_restore(void);

/* The number in a file of /proc or /sys; -1 when it cannot be read. Allocates nothing. */
long test_machine_number(const char *path);

/* The number behind a name such as "Committed_AS:" in a file such as /proc/meminfo; -1. Allocates nothing. */
long test_machine_field(const char *path, const char *name);

#endif
