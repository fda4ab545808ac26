/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves what FALLOW_CONF does, text by text: which options then have which value, and the exact lines on stderr for
 * what is unknown or wrong. Every text is read in a child of its own, which nothing has been set in before.
 */
#include "diag/options.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/format.h"
#include "os/os.h"
#include "test/lib/test.h"

#define LENGTH 4096
#define NAMES "(there are: backing, pagesize, spill, populate, limit, decay, thp, fork, hardened, stats)"
#define SAYS "fallow: FALLOW_CONF: "

struct reading {
	const char *text;    /* after FALLOW_CONF= */
	const char *values;  /* of every option, in the table's order */
	const char *said;    /* on stderr */
};

#define DEFAULTS "anon 0 fail auto 0 1s auto auto false none"

static const struct reading good[] = {
	{ "", DEFAULTS, "" },
	{ ",, ,\n", DEFAULTS, "" },
	{ "backing:hugetlb", "hugetlb 0 fail auto 0 1s auto auto false none", "" },
	{ "pagesize:2M", "anon 2097152 fail auto 0 1s auto auto false none", "" },
	{ "pagesize:1G,spill:anon", "anon 1073741824 anon auto 0 1s auto auto false none", "" },
	{ "populate:strict", "anon 0 fail strict 0 1s auto auto false none", "" },
	{ "populate:lazy,populate:auto", DEFAULTS, "" },
	{ "limit:0", DEFAULTS, "" },
	{ "limit:1", "anon 0 fail auto 1 1s auto auto false none", "" },
	{ "limit:3K", "anon 0 fail auto 3072 1s auto auto false none", "" },
	{ "limit:512M", "anon 0 fail auto 536870912 1s auto auto false none", "" },
	{ "limit:64T", "anon 0 fail auto 70368744177664 1s auto auto false none", "" },
	{ "limit:9223372036854775807", "anon 0 fail auto 9223372036854775807 1s auto auto false none", "" },
	{ "decay:0", "anon 0 fail auto 0 0 auto auto false none", "" },
	{ "decay:250", "anon 0 fail auto 0 250ms auto auto false none", "" },
	{ "decay:250ms", "anon 0 fail auto 0 250ms auto auto false none", "" },
	{ "decay:10s", "anon 0 fail auto 0 10s auto auto false none", "" },
	{ "decay:never", "anon 0 fail auto 0 never auto auto false none", "" },
	{ "thp:always", "anon 0 fail auto 0 1s always auto false none", "" },
	{ "hardened:true", "anon 0 fail auto 0 1s auto auto true none", "" },
	{ "thp:never stats:exit", "anon 0 fail auto 0 1s never auto false exit", "" },
	{ "thp:never\n# a remark, decay:0\nstats:exit#more", "anon 0 fail auto 0 1s never auto false exit", "" },
};

static const struct reading bad[] = {
	{ "colour", DEFAULTS, SAYS "no option 'colour' " NAMES "\n" },
	{ "Backing:anon", DEFAULTS, SAYS "no option 'Backing:anon' " NAMES "\n" },
	{ ":", DEFAULTS, SAYS "no option ':' " NAMES "\n" },
	{ "backin:anon", DEFAULTS, SAYS "no option 'backin:anon' " NAMES "\n" },
	{ "spill", DEFAULTS, SAYS "bad value in 'spill' (allowed: fail|anon); fail stays\n" },
	{ "spill:", DEFAULTS, SAYS "bad value in 'spill:' (allowed: fail|anon); fail stays\n" },
	{ "spill:FAIL", DEFAULTS, SAYS "bad value in 'spill:FAIL' (allowed: fail|anon); fail stays\n" },
	{ "backing:memfd", DEFAULTS, SAYS "bad value in 'backing:memfd' (allowed: anon|hugetlb); anon stays\n" },
	{ "limit:x", DEFAULTS, SAYS "bad value in 'limit:x' (allowed: a size such as 512M, or 0); 0 stays\n" },
	{ "limit:-1", DEFAULTS, SAYS "bad value in 'limit:-1' (allowed: a size such as 512M, or 0); 0 stays\n" },
	{ "limit:1m", DEFAULTS, SAYS "bad value in 'limit:1m' (allowed: a size such as 512M, or 0); 0 stays\n" },
	{ "limit:1MB", DEFAULTS, SAYS "bad value in 'limit:1MB' (allowed: a size such as 512M, or 0); 0 stays\n" },
	{ "limit:8388608T", DEFAULTS, SAYS "bad value in 'limit:8388608T' (allowed: a size such as 512M, or 0); 0 stays\n" },
	{ "limit:9223372036854775808", DEFAULTS,
	  SAYS "bad value in 'limit:9223372036854775808' (allowed: a size such as 512M, or 0); 0 stays\n" },
	{ "decay:1m", DEFAULTS,
	  SAYS "bad value in 'decay:1m' (allowed: a time such as 500ms or 10s, 0, or never); 1s stays\n" },
	{ "decay:ms", DEFAULTS,
	  SAYS "bad value in 'decay:ms' (allowed: a time such as 500ms or 10s, 0, or never); 1s stays\n" },
	{ "decay:4294967296", DEFAULTS,
	  SAYS "bad value in 'decay:4294967296' (allowed: a time such as 500ms or 10s, 0, or never); 1s stays\n" },
	/* What is right beside it counts; each mistake has its line. */
	{ "limit:1M,nonsense:1,spill:maybe,decay:2s", "anon 0 fail auto 1048576 2s auto auto false none",
	  SAYS "no option 'nonsense:1' " NAMES "\n" SAYS "bad value in 'spill:maybe' (allowed: fail|anon); fail stays\n" },
};

/* What has come out of a pipe until its other end closed. */
static void drain(int fd, char text[LENGTH])
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, LENGTH - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd);
}

/* In a child: read the environment, and write every option's value to out. */
static _Noreturn void read_and_print(const char *text, int out)
{
	char variable[LENGTH], line[LENGTH], value[100];
	char *environment[] = { (char *)"HOME=/", variable, (char *)"FALLOW_CONFLICT=x", NULL };
	size_t used = 0;

	fl_format(variable, sizeof(variable), "FALLOW_CONF=%s", text);
	fl_options_start(environment);
	for (size_t i = 0; fallow_option_at(i); i++) {
		if (fallow_option_get(fallow_option_at(i)->name, value, sizeof(value)) != 0)
			_exit(2);
		used += fl_format(line + used, sizeof(line) - used, "%s%s", i ? " " : "", value);
	}
	_exit(write(out, line, used) == (ssize_t)used ? 0 : 3);
}

static void assert_reading(const char *text, const char *values, const char *said)
{
	char got[LENGTH], complaint[LENGTH];
	int out[2], err[2], status;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(err[1], 2);
		read_and_print(text, out[1]);
	}
	close(out[1]);
	close(err[1]);
	drain(out[0], got);
	drain(err[0], complaint);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal(got, values);
	assert_string_equal(complaint, said);
}

static void assert_readings(const struct reading *readings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_reading(readings[i].text, readings[i].values, readings[i].said);
}

static void good_texts_are_silent(void **state)
{
	(void)state;
	assert_readings(good, FL_LENGTH(good));
}

static void bad_texts_are_named(void **state)
{
	(void)state;
	assert_readings(bad, FL_LENGTH(bad));
}

/* An item is looked at up to 64 bytes; a longer one is no value, and its line ends. */
static void long_texts_are_cut(void **state)
{
	static const char fillings[] = { 'x', '0' };
	char text[300], cut[65], said[600];

	(void)state;
	for (size_t i = 0; i < sizeof(fillings); i++) {
		memset(text, fillings[i], sizeof(text));
		memcpy(text, "limit:", 6);
		text[sizeof(text) - 1] = '\0';
		fl_format(cut, sizeof(cut), "%s", text);
		fl_format(said, sizeof(said), SAYS "bad value in '%s' (allowed: a size such as 512M, or 0); 0 stays\n", cut);
		assert_reading(text, DEFAULTS, said);
	}
}

/* Every default in the table is a value that the option takes, and has. */
static void defaults_are_what_the_table_says(void **state)
{
	char before[100], after[100];

	(void)state;
	for (size_t i = 0; fallow_option_at(i); i++) {
		const struct fallow_option *option = fallow_option_at(i);

		assert_int_equal(fallow_option_get(option->name, before, sizeof(before)), 0);
		assert_int_equal(fallow_option_set(option->name, option->default_value), 0);
		assert_int_equal(fallow_option_get(option->name, after, sizeof(after)), 0);
		assert_string_equal(before, after);
		assert_true(*option->help != '\0' && *option->values != '\0');
	}
}

/* The shape of a heap that exists cannot be changed; what is looked at later can. */
static void sealed_options_stay(void **state)
{
	(void)state;
	fl_options_seal();
	assert_int_equal(fallow_option_set("backing", "hugetlb"), -EBUSY);
	assert_int_equal(fallow_option_set("backing", "cheese"), -EINVAL);
	assert_int_equal(fallow_option_set("limit", "1M"), -EBUSY);
	assert_int_equal(fallow_option_set("decay", "2s"), 0);
	assert_int_equal(fl_options.decay, 2000);
	assert_int_equal(fallow_option_set("decay", "never"), 0);
	assert_true(fl_options.decay == FL_DECAY_NEVER);
	assert_int_equal(fallow_option_set("stats", "exit"), 0);
	assert_int_equal(fallow_option_set("stats", "none"), 0);
	assert_int_equal(fl_options.backing, FALLOW_BACKING_ANON);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_are_silent),
		cmocka_unit_test(bad_texts_are_named),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(defaults_are_what_the_table_says),
		cmocka_unit_test(sealed_options_stay),
	};

	if (access(FALLOW_CONF_FILE, F_OK) == 0)
		test_skip("this machine has options of its own in " FALLOW_CONF_FILE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
