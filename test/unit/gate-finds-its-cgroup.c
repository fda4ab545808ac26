/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the memory cgroup is found where it can be read: in version 1 and 2 and where both are mounted, in containers
 * that see their own part only, in namespaces, at mount points with blanks, beside lines that are too long or make no
 * sense; and that nothing is found where nothing is.
 */
#include "gate/cgroup.h"

#include "test/unit/tree.h"

#define V1_MOUNT "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" \
		 "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
#define V2_MOUNT "35 31 0:32 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

static struct fl_lines lines;
static struct fl_cgroup group;

static int find(const char *cgroup, const char *mountinfo)
{
	tree_make();
	if (cgroup)
		tree_write("/proc/thread-self/cgroup", cgroup);
	if (mountinfo)
		tree_write("/proc/thread-self/mountinfo", mountinfo);
	int result = fl_cgroup_find(tree_root, &lines, &group);
	tree_remove();
	return result;
}

/* own: the group's directory; ntop: bytes of it that are the highest directory to be seen. */
static void assert_found(const char *cgroup, const char *mountinfo, bool unified, const char *top, const char *below)
{
	char path[300];

	assert_int_equal(find(cgroup, mountinfo), 0);
	snprintf(path, sizeof(path), "%s%s%s", tree_root, top, below);
	assert_string_equal(group.path, path);
	assert_int_equal(group.top, strlen(tree_root) + strlen(top));
	assert_int_equal(group.unified, unified);
}

static void version_1(void **state)
{
	(void)state;
	assert_found("5:devices:/\n4:memory:/a/b\n0::/\n", V1_MOUNT, false, "/sys/fs/cgroup/memory", "/a/b");
	assert_found("4:cpu,memory:/\n", V1_MOUNT, false, "/sys/fs/cgroup/memory", "");
}

static void version_2(void **state)
{
	(void)state;
	assert_found("0::/user.slice/a.scope\n", V2_MOUNT, true, "/sys/fs/cgroup", "/user.slice/a.scope");
	assert_found("0::/\n", V2_MOUNT, true, "/sys/fs/cgroup", "");
}

static void hybrid(void **state)
{
	static const char mounts[] = V1_MOUNT "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

	(void)state;
	assert_found("0::/two\n4:memory:/one\n", mounts, false, "/sys/fs/cgroup/memory", "/one");
	assert_found("4:memory:/one\n0::/two\n", mounts, false, "/sys/fs/cgroup/memory", "/one");
	/* Version 1 without the memory controller. */
	assert_found("4:memoryless:/one\n0::/two\n", mounts, true, "/sys/fs/cgroup/unified", "/two");
}

static void containers(void **state)
{
	(void)state;
	/* A part of the hierarchy is mounted, the group is its root or below it. */
	assert_found("4:memory:/docker/1f\n", "35 31 0:32 /docker/1f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
		     false, "/sys/fs/cgroup/memory", "");
	assert_found("4:memory:/docker/1f/x\n", "35 31 0:32 /docker/1f /cg rw - cgroup cgroup rw,memory\n", false, "/cg", "/x");
	/* Another group whose name begins alike is not above this one: the mount's top is the best guess. */
	assert_found("4:memory:/docker/1fff\n", "35 31 0:32 /docker/1f /cg rw - cgroup cgroup rw,memory\n", false, "/cg", "");
	/* Moved out of its namespace's root. */
	assert_found("0::/../other\n", V2_MOUNT, true, "/sys/fs/cgroup", "");
	/* Of two mounts, the one that shows more above the group. */
	assert_found("0::/pods/p/c\n",
		     "35 31 0:32 /pods/p/c /one rw - cgroup2 cgroup2 rw\n36 31 0:32 / /two rw - cgroup2 cgroup2 rw\n"
		     "37 31 0:32 /pods /three rw - cgroup2 cgroup2 rw\n",
		     true, "/two", "/pods/p/c");
}

static void odd_lines(void **state)
{
	static char mounts[3 * FL_LINES_LENGTH];

	(void)state;
	assert_found("0::/a\n", "35 31 0:32 / /my\\040cg\\134x rw - cgroup2 cgroup2 rw\n", true, "/my cg\\x", "/a");
	assert_found("\n:\n::\nx:memory\n0::/a", "\n - \na b c\n1 2 3 / /p - cgroup2\n" V2_MOUNT, true, "/sys/fs/cgroup", "/a");
	/* An overlay of many layers in one line. */
	memset(mounts, 'x', 2 * FL_LINES_LENGTH);
	strcpy(mounts + 2 * FL_LINES_LENGTH, " - overlay overlay rw\n" V2_MOUNT);
	assert_found("0::/a\n", mounts, true, "/sys/fs/cgroup", "/a");
}

static void nothing(void **state)
{
	static char name[2 * FL_CGROUP_LENGTH];

	(void)state;
	assert_int_equal(find(NULL, NULL), -ENOENT);
	assert_int_equal(find("0::/a\n", NULL), -ENOENT);
	assert_int_equal(find("3:cpu:/\n", V1_MOUNT), -ENOENT);
	assert_int_equal(find("", ""), -ENOENT);
	assert_int_equal(find("4:memory:/a\n", V2_MOUNT), -ENOENT);
	memset(name, 'n', sizeof(name) - 1);
	memcpy(name, "0::/", 4);
	assert_int_equal(find(name, V2_MOUNT), -ENAMETOOLONG);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),  cmocka_unit_test(version_2), cmocka_unit_test(hybrid),
		cmocka_unit_test(containers), cmocka_unit_test(odd_lines), cmocka_unit_test(nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
