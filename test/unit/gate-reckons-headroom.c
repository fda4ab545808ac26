/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves what room is reckoned from files that say any of what the kernel says, and things that it never says: the least
 * over all groups and the system, page cache as room, numbers that are absurd or go backwards, "max" and 0, files that are
 * missing or make no sense. Nothing of it crashes, refuses without a limit, or is complained about more than once.
 */
#include "gate/headroom.h"

#include <sys/mman.h>

#include "os/os.h"
#include "test/unit/tree.h"

#define MEMINFO "MemTotal:       1000000 kB\nMemFree: 1 kB\nMemAvailable:    800000 kB\nSwapFree:  100 kB\n"
#define SYSTEM_ROOM (800100ull * 1024)
#define UNLIMITED_V1 "9223372036854771712\n"

static struct fl_lines lines;
static struct fl_cgroup group;
static struct fl_headroom headroom;

/* A group /a/b, mounted at /cg, whose files the test writes. */
static void start(bool unified)
{
	tree_make();
	group.unified = unified;
	snprintf(group.path, sizeof(group.path), "%s/cg/a/b", tree_root);
	group.top = strlen(tree_root) + strlen("/cg");
	tree_write("/proc/meminfo", MEMINFO);
	tree_write("/cg/a/b/x", "");
}

static void read_it(void)
{
	fl_headroom_read(tree_root, &lines, &group, &headroom);
}

static void write_v2(const char *folder, const char *max, const char *high, const char *current, const char *stat)
{
	static const char *const names[] = { "memory.max", "memory.high", "memory.current", "memory.stat" };
	const char *const texts[] = { max, high, current, stat };
	char path[200];

	for (size_t i = 0; i < FL_LENGTH(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (texts[i])
			tree_write(path, texts[i]);
	}
}

static void write_v1(const char *folder, const char *limit, const char *usage, const char *swap_limit,
		     const char *swap_usage, const char *stat)
{
	static const char *const names[] = { "memory.limit_in_bytes", "memory.usage_in_bytes", "memory.memsw.limit_in_bytes",
					     "memory.memsw.usage_in_bytes", "memory.stat" };
	const char *const texts[] = { limit, usage, swap_limit, swap_usage, stat };
	char path[200];

	for (size_t i = 0; i < FL_LENGTH(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		if (texts[i])
			tree_write(path, texts[i]);
	}
}

static void assert_room(uint64_t room, uint64_t hard, enum fallow_reason reason)
{
	read_it();
	assert_int_equal(headroom.room, room);
	assert_int_equal(headroom.hard, hard);
	assert_int_equal(headroom.reason, reason);
	assert_false(headroom.unsure);
}

static void version_2_has_max_and_high_of_all_groups(void **state)
{
	(void)state;
	start(true);
	/* The root group has no such files. */
	write_v2("/cg/a", "max\n", "max\n", "999\n", NULL);
	write_v2("/cg/a/b", "max\n", "max\n", "999\n", NULL);
	assert_room(SYSTEM_ROOM, SYSTEM_ROOM, FALLOW_REASON_SYSTEM_MEMORY);
	assert_false(headroom.limited);

	write_v2("/cg/a/b", "10000\n", "max\n", "4000\n", "anon 1\ninactive_file 1000\nactive_file 500\nfile 9\n");
	assert_room(7500, 6000, FALLOW_REASON_MEMORY_CGROUP);
	assert_int_equal(headroom.limit, 10000);
	assert_true(headroom.limited);

	write_v2("/cg/a/b", NULL, "5000\n", NULL, NULL);
	assert_room(2500, 1000, FALLOW_REASON_MEMORY_CGROUP);

	/* The one above is tighter; what is hard is the least of all by itself. */
	write_v2("/cg/a", "6000\n", NULL, "5500\n", "inactive_file 100\nactive_file 0\n");
	assert_room(600, 500, FALLOW_REASON_MEMORY_CGROUP);
	tree_remove();
}

static void version_1_has_swap_limits_and_knows_more_above(void **state)
{
	(void)state;
	start(false);
	write_v1("/cg/a/b", UNLIMITED_V1, "4000\n", UNLIMITED_V1, "4000\n",
		 "inactive_file 7\ntotal_inactive_file 1000\ntotal_active_file 500\nhierarchical_memory_limit " UNLIMITED_V1
		 "hierarchical_memsw_limit " UNLIMITED_V1);
	assert_room(SYSTEM_ROOM, SYSTEM_ROOM, FALLOW_REASON_SYSTEM_MEMORY);

	/* A limit that only the hierarchical one tells of. */
	write_v1("/cg/a/b", NULL, NULL, NULL, NULL,
		 "total_inactive_file 1000\ntotal_active_file 500\nhierarchical_memory_limit 8000\n");
	assert_room(5500, 4000, FALLOW_REASON_MEMORY_CGROUP);

	write_v1("/cg/a", "5000\n", "4900\n", UNLIMITED_V1, "1\n", "total_inactive_file 0\ntotal_active_file 300\n");
	assert_room(400, 100, FALLOW_REASON_MEMORY_CGROUP);

	/* What was swapped out counts against the other limit. */
	write_v1("/cg/a", NULL, NULL, "9000\n", "8950\n", NULL);
	assert_room(350, 50, FALLOW_REASON_MEMORY_CGROUP);
	tree_remove();
}

static void numbers_may_be_absurd(void **state)
{
	static const struct {
		const char *max, *current, *stat;
		uint64_t room, hard;
	} cases[] = {
		{ "0\n", "0\n", "inactive_file 0\nactive_file 0\n", 0, 0 },
		{ "0\n", "500\n", "inactive_file 0\nactive_file 0\n", 0, 0 },
		/* A limit below what is used. */
		{ "1000\n", "3000\n", "inactive_file 2500\nactive_file 0\n", 500, 0 },
		/* More cache than use, and sums beyond 64 bits: as counters read at different times may say. */
		{ "1000\n", "300\n", "inactive_file 900\nactive_file 900\n", 1000, 700 },
		{ "1000\n", "300\n", "inactive_file 18446744073709551615\nactive_file 18446744073709551615\n", 700, 700 },
		{ "1000\n", "18446744073709551615\n", "inactive_file 5\nactive_file 0\n", 0, 0 },
		{ "1000\n", "0\n", "inactive_file 0\nactive_file 0\n", 1000, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(cases); i++) {
		start(true);
		write_v2("/cg/a/b", cases[i].max, "max\n", cases[i].current, cases[i].stat);
		assert_room(cases[i].room, cases[i].hard, FALLOW_REASON_MEMORY_CGROUP);
		tree_remove();
	}
}

static void what_makes_no_sense_is_doubt(void **state)
{
	static const char *const bad[] = { "", "\n", "maximum\n", "-1\n", "12x\n", "99999999999999999999999\n", " 5\n" };

	(void)state;
	for (size_t i = 0; i < FL_LENGTH(bad); i++) {
		start(true);
		write_v2("/cg/a/b", bad[i], "max\n", "5\n", "inactive_file 0\nactive_file 0\n");
		read_it();
		assert_true(headroom.unsure);
		assert_int_equal(headroom.room, SYSTEM_ROOM);
		/* Page cache that is not told is not there. */
		write_v2("/cg/a/b", "1000\n", "max\n", "300\n", bad[i]);
		read_it();
		assert_true(headroom.unsure);
		assert_int_equal(headroom.room, 700);
		tree_remove();
	}
	/* A directory in place of a file cannot be read. */
	start(true);
	tree_write("/cg/a/b/memory.max/x", "");
	read_it();
	assert_true(headroom.unsure);
	tree_remove();
}

static void what_is_not_there_limits_nothing(void **state)
{
	(void)state;
	start(true);
	assert_room(SYSTEM_ROOM, SYSTEM_ROOM, FALLOW_REASON_SYSTEM_MEMORY);
	fl_headroom_read("/no/such/root", &lines, NULL, &headroom);
	assert_false(headroom.unsure);
	assert_int_equal(headroom.room, UINT64_MAX);
	tree_remove();
}

/* Of the group whose limit has the least room, which is the one that is known by its path. */
static void cache_that_was_read_again_is_told(void **state)
{
	uint64_t page = fl_os_page_size();

	(void)state;
	start(true);
	write_v2("/cg/a", "9000000\n", "max\n", "0\n", "inactive_file 0\nactive_file 0\nworkingset_refault_file 5\n");
	write_v2("/cg/a/b", "max\n", "8000000\n", "0\n", "inactive_file 0\nactive_file 0\nworkingset_refault_file 7\n");
	read_it();
	assert_int_equal(headroom.refaulted, 7 * page);
	size_t lower = headroom.group;
	write_v2("/cg/a", NULL, NULL, "2000000\n", NULL);
	read_it();
	assert_int_equal(headroom.refaulted, 5 * page);
	assert_true(headroom.group > 0 && headroom.group < lower);
	/* Before 5.9 there was no such line. */
	write_v2("/cg/a", NULL, NULL, NULL, "inactive_file 0\nactive_file 0\nworkingset_refault 5\n");
	read_it();
	assert_int_equal(headroom.refaulted, 0);
	tree_remove();
	start(false);
	write_v1("/cg/a/b", "9000000\n", "0\n", NULL, NULL,
		 "workingset_refault_file 1\ntotal_inactive_file 0\ntotal_active_file 0\ntotal_workingset_refault_file 3\n");
	read_it();
	assert_int_equal(headroom.refaulted, 3 * page);
	tree_remove();
}

static void resident_memory_is_read(void **state)
{
	uint64_t page = fl_os_page_size();

	(void)state;
	start(true);
	tree_write("/proc/thread-self/statm", "1000 50 20 1 0 300 0\n");
	assert_int_equal(fl_headroom_resident(tree_root, &lines), 30 * page);
	tree_write("/proc/thread-self/statm", "1000 20 50 1 0 300 0\n");
	assert_int_equal(fl_headroom_resident(tree_root, &lines), 0);
	tree_write("/proc/thread-self/statm", "1000\n");
	assert_int_equal(fl_headroom_resident(tree_root, &lines), 0);
	tree_remove();
}

/* Runs after much that was complained about. */
static void complaints_come_once(void **state)
{
	char text[2000];
	int log = memfd_create("complaints", 0), stderr_was = dup(2);

	(void)state;
	dup2(log, 2);
	what_makes_no_sense_is_doubt(NULL);
	fl_headroom_complain("/a/file", -EACCES);
	dup2(stderr_was, 2);
	assert_int_equal(pread(log, text, sizeof(text), 0), 0);
	close(log);
	close(stderr_was);
}

static void the_first_complaint_names_the_file(void **state)
{
	char text[2000] = "";
	int log = memfd_create("complaints", 0), stderr_was = dup(2);

	(void)state;
	dup2(log, 2);
	start(true);
	write_v2("/cg/a/b", "many\n", "max\n", "5\n", "inactive_file 0\nactive_file 0\n");
	read_it();
	read_it();
	tree_remove();
	dup2(stderr_was, 2);
	assert_true(pread(log, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "/cg/a/b/memory.max: makes no sense"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	close(log);
	close(stderr_was);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_complaint_names_the_file),
		cmocka_unit_test(version_2_has_max_and_high_of_all_groups),
		cmocka_unit_test(version_1_has_swap_limits_and_knows_more_above),
		cmocka_unit_test(numbers_may_be_absurd),
		cmocka_unit_test(what_makes_no_sense_is_doubt),
		cmocka_unit_test(what_is_not_there_limits_nothing),
		cmocka_unit_test(cache_that_was_read_again_is_told),
		cmocka_unit_test(resident_memory_is_read),
		cmocka_unit_test(complaints_come_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
