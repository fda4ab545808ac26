/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option table and its parser. Nothing here allocates: start-up calls it before there is a heap.
 */
#include "diag/options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <fallow/types.h>

#include "base/format.h"
#include "diag/message.h"
#include "os/os.h"

#ifndef FALLOW_CONF_FILE
#define FALLOW_CONF_FILE "/etc/fallow.conf"
#endif

#define VARIABLE "FALLOW_CONF="
#define DECAY_DEFAULT_MS 1000
#define VALUE_LENGTH 64
#define FILE_LENGTH 4096

struct fl_options fl_options = {
	.backing = FALLOW_BACKING_ANON,
	.spill = FALLOW_SPILL_FAIL,
	.decay = DECAY_DEFAULT_MS,
};

struct choice {
	const char *name;
	uint64_t value;
};

enum kind {
	KIND_CHOICE,
	KIND_SIZE,     /* bytes with K, M, G or T */
	KIND_PAGESIZE, /* the same, and a power of two or 0 */
	KIND_DURATION, /* ms or s, or never; a bare number is milliseconds */
};

struct row {
	struct fallow_option public;
	uint64_t *value;
	enum kind kind;
	bool late;                    /* may change after the heap was made */
	const struct choice *choices; /* KIND_CHOICE: ends with a NULL name */
};

static const struct choice backings[] = {
	{ "anon", FALLOW_BACKING_ANON }, { "hugetlb", FALLOW_BACKING_HUGETLB }, { NULL, 0 }
};
static const struct choice spills[] = {
	{ "fail", FALLOW_SPILL_FAIL }, { "anon", FALLOW_SPILL_ANON }, { NULL, 0 }
};
static const struct choice populates[] = { { "auto", FL_OPTION_POPULATE_AUTO },
					   { "strict", FL_OPTION_POPULATE_STRICT },
					   { "lazy", FL_OPTION_POPULATE_LAZY },
					   { NULL, 0 } };
static const struct choice thps[] = {
	{ "auto", FALLOW_THP_AUTO }, { "always", FALLOW_THP_ALWAYS }, { "never", FALLOW_THP_NEVER }, { NULL, 0 }
};
static const struct choice forks[] = {
	{ "auto", FALLOW_FORK_AUTO }, { "copy", FALLOW_FORK_COPY }, { "refuse", FALLOW_FORK_REFUSE }, { NULL, 0 }
};
static const struct choice truths[] = { { "false", 0 }, { "true", 1 }, { NULL, 0 } };
static const struct choice stats[] = { { "none", 0 }, { "exit", 1 }, { NULL, 0 } };

static const struct row table[] = {
	{ { "backing", "anon|hugetlb", "anon", "where the process heap's memory comes from" },
	  &fl_options.backing, KIND_CHOICE, false, backings },
	{ { "pagesize", "a huge page size such as 2M or 1G, or 0", "0",
	    "page size of backing:hugetlb; 0 is the system's default huge page" },
	  &fl_options.pagesize, KIND_PAGESIZE, false, NULL },
	{ { "spill", "fail|anon", "fail", "when the huge pages are used up: fail, or go on in ordinary memory" },
	  &fl_options.spill, KIND_CHOICE, false, spills },
	{ { "populate", "auto|strict|lazy", "auto",
	    "bring memory in before handing it out: small blocks, all blocks, or none" },
	  &fl_options.populate, KIND_CHOICE, false, populates },
	{ { "limit", "a size such as 512M, or 0", "0", "most memory the process heap may hold; 0 is no limit" },
	  &fl_options.limit, KIND_SIZE, false, NULL },
	{ { "decay", "a time such as 500ms or 10s, 0, or never", "1s", "how long idle memory is kept; set late, it is for arenas made after" },
	  &fl_options.decay, KIND_DURATION, true, NULL },
	{ { "thp", "auto|always|never", "auto", "transparent huge pages for ordinary memory" },
	  &fl_options.thp, KIND_CHOICE, false, thps },
	{ { "fork", "auto|copy|refuse", "auto",
	    "where a fork lacks huge pages, or always, use ordinary memory; or refuse it" },
	  &fl_options.fork, KIND_CHOICE, false, forks },
	{ { "hardened", "true|false", "false", "end the program when it misuses blocks; costly" },
	  &fl_options.hardened, KIND_CHOICE, false, truths },
	{ { "stats", "none|exit", "none",
	    "write statistics to stderr when the program ends, if it still is what it was at the start" },
	  &fl_options.stats, KIND_CHOICE, true, stats },
};

static bool sealed;

static const struct row *find(const char *name, size_t length)
{
	for (size_t i = 0; i < FL_LENGTH(table); i++) {
		const char *candidate = table[i].public.name;
		if (strlen(candidate) == length && memcmp(candidate, name, length) == 0)
			return &table[i];
	}
	return NULL;
}

static int parse_choice(const struct choice *choices, const char *text, uint64_t *value)
{
	for (; choices->name; choices++) {
		if (strcmp(choices->name, text) == 0) {
			*value = choices->value;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	uint64_t number;
	unsigned int shift = 0;
	const char *end = fl_parse_number(text, &number);

	if (end == NULL)
		return -EINVAL;
	if (*end != '\0') {
		const char *unit = strchr(units, *end);
		if (unit == NULL || end[1] != '\0')
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (number > (UINT64_MAX >> shift) || (number << shift) > PTRDIFF_MAX)
		return -EINVAL;
	*value = number << shift;
	return 0;
}

static int parse_pagesize(const char *text, uint64_t *value)
{
	int result = parse_size(text, value);

	return result == 0 && (*value & (*value - 1)) != 0 ? -EINVAL : result;
}

static int parse_duration(const char *text, uint64_t *value)
{
	uint64_t number;

	if (strcmp(text, "never") == 0) {
		*value = FL_DECAY_NEVER;
		return 0;
	}
	const char *end = fl_parse_number(text, &number);
	if (end == NULL || number > UINT32_MAX / 2)
		return -EINVAL;
	if (strcmp(end, "s") == 0)
		number *= 1000;
	else if (*end != '\0' && strcmp(end, "ms") != 0)
		return -EINVAL;
	*value = number;
	return 0;
}

static int parse(const struct row *row, const char *text, uint64_t *value)
{
	switch (row->kind) {
	case KIND_CHOICE:
		return parse_choice(row->choices, text, value);
	case KIND_SIZE:
		return parse_size(text, value);
	case KIND_PAGESIZE:
		return parse_pagesize(text, value);
	default:
		return parse_duration(text, value);
	}
}

/* One "name:value" of the file or the environment; source says which, for the message. */
static void apply(const char *text, size_t length, const char *source)
{
	char item[VALUE_LENGTH + 1];
	uint64_t value;

	if (length == 0)
		return;
	size_t kept = fl_min(length, VALUE_LENGTH);
	memcpy(item, text, kept);
	item[kept] = '\0';
	char *colon = strchr(item, ':');
	const struct row *row = find(item, colon ? (size_t)(colon - item) : kept);
	if (row == NULL) {
		char names[200];
		size_t used = 0;
		for (size_t i = 0; i < FL_LENGTH(table); i++)
			used += fl_format(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", table[i].public.name);
		fl_message("%s: no option '%s' (there are: %s)", source, item, names);
	} else if (colon == NULL || length > VALUE_LENGTH || parse(row, colon + 1, &value) != 0) {
		fl_message("%s: bad value in '%s' (allowed: %s); %s stays", source, item, row->public.values,
			   row->public.default_value);
	} else {
		*row->value = value;
	}
}

static bool is_separator(char c)
{
	return c == ',' || c == '\n' || c == ' ' || c == '\t';
}

static void apply_all(const char *text, const char *source)
{
	while (*text != '\0') {
		if (*text == '#') {
			while (*text != '\0' && *text != '\n')
				text++;
			continue;
		}
		const char *end = text;
		while (*end != '\0' && !is_separator(*end) && *end != '#')
			end++;
		apply(text, (size_t)(end - text), source);
		text = is_separator(*end) ? end + 1 : end;
	}
}

static void read_file(void)
{
	char text[FILE_LENGTH + 1];
	int fd = fl_os_open(FALLOW_CONF_FILE, O_RDONLY, 0);

	if (fd < 0)
		return;
	ssize_t length = fl_os_read(fd, text, FILE_LENGTH);
	fl_os_close(fd);
	if (length <= 0)
		return;
	text[length] = '\0';
	apply_all(text, FALLOW_CONF_FILE);
}

void fl_options_start(char **environment)
{
	if (fl_os_secure())
		return;
	read_file();
	for (; environment && *environment; environment++) {
		if (strncmp(*environment, VARIABLE, sizeof(VARIABLE) - 1) == 0) {
			apply_all(*environment + sizeof(VARIABLE) - 1, "FALLOW_CONF");
			return;
		}
	}
}

void fl_options_seal(void)
{
	__atomic_store_n(&sealed, true, __ATOMIC_RELEASE);
}

int fallow_option_set(const char *name, const char *value)
{
	uint64_t parsed;
	const struct row *row = name ? find(name, strlen(name)) : NULL;

	if (row == NULL)
		return -ENOENT;
	if (value == NULL || parse(row, value, &parsed) != 0)
		return -EINVAL;
	if (!row->late && __atomic_load_n(&sealed, __ATOMIC_ACQUIRE))
		return -EBUSY;
	__atomic_store_n(row->value, parsed, __ATOMIC_RELAXED);
	return 0;
}

static void print(const struct row *row, char *buffer, size_t length)
{
	uint64_t value = __atomic_load_n(row->value, __ATOMIC_RELAXED);

	if (row->kind == KIND_CHOICE) {
		const struct choice *choice = row->choices;
		while (choice->value != value)
			choice++;
		fl_format(buffer, length, "%s", choice->name);
	} else if (row->kind == KIND_DURATION) {
		if (value == FL_DECAY_NEVER)
			fl_format(buffer, length, "never");
		else if (value % 1000 == 0 && value != 0)
			fl_format(buffer, length, "%lus", (unsigned long)value / 1000);
		else if (value == 0)
			fl_format(buffer, length, "0");
		else
			fl_format(buffer, length, "%lums", (unsigned long)value);
	} else {
		fl_format(buffer, length, "%lu", (unsigned long)value);
	}
}

int fallow_option_get(const char *name, char *buffer, size_t length)
{
	char text[VALUE_LENGTH];
	const struct row *row = name ? find(name, strlen(name)) : NULL;

	if (row == NULL)
		return -ENOENT;
	print(row, text, sizeof(text));
	if (length > 0)
		fl_format(buffer, length, "%s", text);
	return strlen(text) < length ? 0 : -ERANGE;
}

const struct fallow_option *fallow_option_at(size_t index)
{
	return index < FL_LENGTH(table) ? &table[index].public : NULL;
}
