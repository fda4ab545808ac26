/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory tree of a test's own, which the gate reads as if it were the root: files that say what the test wants.
 */
#ifndef TEST_UNIT_TREE_H
#define TEST_UNIT_TREE_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/lib/test.h"

static char tree_root[] = "/tmp/fallow-tree-XXXXXX";

static inline void tree_make(void)
{
	strcpy(tree_root + sizeof(tree_root) - 7, "XXXXXX");
	assert_non_null(mkdtemp(tree_root));
}

static inline void tree_remove(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -r '%s'", tree_root);
	assert_int_equal(system(command), 0);
}

/* Write a file at a path below the root, with the directories above it. */
static inline void tree_write(const char *path, const char *text)
{
	char full[4096];

	snprintf(full, sizeof(full), "%s%s", tree_root, path);
	for (char *slash = full + strlen(tree_root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
	}
	int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

#endif
