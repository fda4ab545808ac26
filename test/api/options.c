/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that options can be listed, read and set by name; that each default is a value that can be set; that unknown
 * names and bad values are refused with the old value kept; that a short buffer is cut and terminated; and that
 * FALLOW_CONF sets them, naming on stderr what it does not know and what it cannot use.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fallow/malloc.h>
#include <fallow/options.h>

#include "test/lib/test.h"

static void the_list_is_complete(void **state)
{
	static const char *const promised[] = {
		"backing", "pagesize", "spill", "populate", "limit", "decay", "thp", "fork", "stats",
	};
	size_t noptions = 0;

	(void)state;
	while (fallow_option_at(noptions) != NULL) {
		const struct fallow_option *option = fallow_option_at(noptions++);

		assert_true(option->name[0] != '\0' && option->values[0] != '\0' && option->help[0] != '\0');
		assert_non_null(option->default_value);
		assert_null(strchr(option->help, '\n'));
		for (size_t i = 0; i + 1 < noptions; i++)
			assert_string_not_equal(fallow_option_at(i)->name, option->name);
	}
	assert_null(fallow_option_at(noptions));
	assert_null(fallow_option_at(noptions + 1));
	assert_null(fallow_option_at(SIZE_MAX));
	for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++) {
		char value[64];

		assert_int_equal(fallow_option_get(promised[i], value, sizeof(value)), 0);
	}
}

static void defaults_are_in_force_and_can_be_set(void **state)
{
	(void)state;
	for (size_t i = 0; fallow_option_at(i) != NULL; i++) {
		const struct fallow_option *option = fallow_option_at(i);
		char value[128];

		assert_int_equal(fallow_option_get(option->name, value, sizeof(value)), 0);
		assert_string_equal(value, option->default_value);
		assert_int_equal(fallow_option_set(option->name, option->default_value), 0);
		assert_int_equal(fallow_option_get(option->name, value, sizeof(value)), 0);
		assert_string_equal(value, option->default_value);
	}
}

static void what_is_set_is_read(void **state)
{
	char value[64];

	(void)state;
	assert_int_equal(fallow_option_set("decay", "1234ms"), 0);
	assert_int_equal(fallow_option_get("decay", value, sizeof(value)), 0);
	assert_string_equal(value, "1234ms");
	assert_int_equal(fallow_option_set("decay", "2s"), 0);
	assert_int_equal(fallow_option_get("decay", value, sizeof(value)), 0);
	assert_true(strcmp(value, "2s") == 0 || strcmp(value, "2000ms") == 0);
}

static void unknown_names_are_refused(void **state)
{
	static const char *const unknown[] = { "", "no-such-option", "deca", "decayy", "DECAY", " decay", "decay:1s" };
	char value[64] = "untouched";

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(fallow_option_set(unknown[i], "1s"), -ENOENT);
		assert_int_equal(fallow_option_get(unknown[i], value, sizeof(value)), -ENOENT);
	}
}

static void bad_values_are_refused(void **state)
{
	static const struct {
		const char *name, *value;
	} bad[] = {
		{ "decay", "" }, { "decay", "soon" }, { "decay", "-1s" }, { "decay", "1x" }, { "decay", "1s,thp:never" },
		{ "decay", "99999999999999999999s" }, { "thp", "" }, { "thp", "sometimes" }, { "thp", "always " },
		{ "backing", "paper" }, { "spill", "maybe" }, { "populate", "yes" }, { "limit", "much" },
		{ "limit", "512Q" }, { "limit", "-5" }, { "limit", "99999999999999999999G" },
		{ "pagesize", "3M" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char before[64], after[64];

		assert_int_equal(fallow_option_get(bad[i].name, before, sizeof(before)), 0);
		if (fallow_option_set(bad[i].name, bad[i].value) != -EINVAL)
			fail_msg("%s:%s is taken", bad[i].name, bad[i].value);
		assert_int_equal(fallow_option_get(bad[i].name, after, sizeof(after)), 0);
		assert_string_equal(before, after);
	}
}

static void short_buffers_are_terminated(void **state)
{
	char whole[64], part[64];

	(void)state;
	assert_int_equal(fallow_option_get("populate", whole, sizeof(whole)), 0);
	for (size_t length = 1; length <= strlen(whole); length++) {
		memset(part, '#', sizeof(part));
		assert_int_equal(fallow_option_get("populate", part, length), -ERANGE);
		assert_true(strlen(part) < length);
		assert_memory_equal(part, whole, strlen(part));
		assert_int_equal(part[length], '#');
	}
	assert_int_equal(fallow_option_get("populate", part, strlen(whole) + 1), 0);
	assert_int_equal(fallow_option_get("populate", part, 0), -ERANGE);
}

/* What the process heap is made of is decided by its first block. */
static void some_can_be_too_late(void **state)
{
	char value[64];

	(void)state;
	fallow_free(fallow_malloc(1));
	assert_int_equal(fallow_option_set("backing", "hugetlb"), -EBUSY);
	assert_int_equal(fallow_option_get("backing", value, sizeof(value)), 0);
	assert_string_equal(value, "anon");
	assert_int_equal(fallow_option_set("backing", "paper"), -EINVAL);
}

/* Run this program again with FALLOW_CONF set; what it says on stderr. */
static void say_with_conf(const char *conf, const char *option, char *value, char *text, size_t length)
{
	int out = memfd_create("out", 0), err = memfd_create("err", 0), status;
	pid_t pid = fork();
	ssize_t got;

	assert_true(out >= 0 && err >= 0 && pid >= 0);
	if (pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		setenv("FALLOW_CONF", conf, 1);
		execl("/proc/self/exe", "options", option, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	got = pread(out, value, 63, 0);
	value[got > 0 ? got : 0] = '\0';
	got = pread(err, text, length - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	close(out);
	close(err);
}

static void the_environment_is_read(void **state)
{
	char value[64], text[1024];

	(void)state;
	say_with_conf("decay:777ms", "decay", value, text, sizeof(text));
	assert_string_equal(value, "777ms");
	assert_string_equal(text, "");
	say_with_conf("thp:never,decay:778ms,spill:fail", "thp", value, text, sizeof(text));
	assert_string_equal(value, "never");
	assert_string_equal(text, "");
	say_with_conf("", "decay", value, text, sizeof(text));
	assert_string_equal(text, "");
}

static void mistakes_in_the_environment_are_named(void **state)
{
	char value[64], before[64], text[1024];

	(void)state;
	say_with_conf("", "thp", before, text, sizeof(text));
	say_with_conf("nonsense:1,thp:sometimes,decay:55ms", "decay", value, text, sizeof(text));
	assert_string_equal(value, "55ms");
	assert_non_null(strstr(text, "nonsense"));
	assert_non_null(strstr(text, "sometimes"));
	say_with_conf("nonsense:1,thp:sometimes,decay:55ms", "thp", value, text, sizeof(text));
	assert_string_equal(value, before);
	say_with_conf("decay", "thp", value, text, sizeof(text));
	assert_non_null(strstr(text, "decay"));
	say_with_conf(",,:,decay:,", "thp", value, text, sizeof(text));
	assert_string_not_equal(text, "");
	assert_string_equal(value, before);
}

/* The second life of say_with_conf(). */
static int say(const char *option)
{
	char value[64];

	fallow_free(fallow_malloc(1));
	if (fallow_option_get(option, value, sizeof(value)) != 0)
		return 1;
	return write(STDOUT_FILENO, value, strlen(value)) < 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_complete),
		cmocka_unit_test(defaults_are_in_force_and_can_be_set),
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(short_buffers_are_terminated),
		cmocka_unit_test(what_is_set_is_read),
		cmocka_unit_test(some_can_be_too_late),
		cmocka_unit_test(the_environment_is_read),
		cmocka_unit_test(mistakes_in_the_environment_are_named),
	};

	if (argc > 1)
		return say(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
