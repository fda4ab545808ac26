/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing text; see text.h.
 */
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char units[] = "KMGT";

bool fl_file_line(const char *path, char *line, size_t length)
{
	FILE *file = fopen(path, "re");
	bool read = file != NULL && fgets(line, (int)length, file) != NULL;

	if (file != NULL)
		fclose(file);
	line[read ? strcspn(line, "\n") : 0] = '\0';
	return read;
}

/* Take the number at the start of *text off it. */
static bool take_number(const char **text, uint64_t *number)
{
	char *end;

	/* strtoull would take a sign and spaces. */
	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0;
}

bool fl_file_number(const char *path, uint64_t *number)
{
	char line[64];
	const char *text = line;

	return fl_file_line(path, line, sizeof(line)) && take_number(&text, number);
}

bool fl_file_field(const char *path, const char *name, uint64_t *number)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(name);
	char line[256];
	bool found = false;

	while (!found && file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *text = line + length;
		if (strncmp(line, name, length) != 0)
			continue;
		text += strspn(text, " \t");
		found = take_number(&text, number);
	}
	if (file != NULL)
		fclose(file);
	return found;
}

int fl_file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		result = -errno;
	close(fd);
	return result;
}

void fl_file_choice(const char *path, char *word, size_t length)
{
	char line[256];

	word[0] = '\0';
	if (!fl_file_line(path, line, sizeof(line)))
		return;
	const char *begin = strchr(line, '[');
	if (begin != NULL)
		snprintf(word, length, "%.*s", (int)strcspn(begin + 1, "]"), begin + 1);
}

const char *fl_size_print(uint64_t nbytes, char *text)
{
	size_t unit = 0;
	double value = (double)nbytes;

	for (; value >= 1024 && unit < sizeof(units) - 1; unit++)
		value /= 1024;
	if (unit == 0)
		snprintf(text, FL_SIZE_LENGTH, "%llu", (unsigned long long)nbytes);
	else
		snprintf(text, FL_SIZE_LENGTH, value == (double)(uint64_t)value ? "%.0f%c" : "%.1f%c", value,
			 units[unit - 1]);
	return text;
}

bool fl_size_parse(const char *text, uint64_t *nbytes)
{
	unsigned int shift = 0;

	if (!take_number(&text, nbytes))
		return false;
	if (*text != '\0') {
		const char *unit = strchr(units, *text);
		if (unit == NULL || text[1] != '\0')
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (*nbytes > (uint64_t)INT64_MAX >> shift)
		return false;
	*nbytes <<= shift;
	return true;
}

bool fl_number_parse(const char *text, uint64_t *number)
{
	return take_number(&text, number) && *text == '\0';
}

void fl_json_write_string(const char *text, FILE *stream)
{
	fputc('"', stream);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', stream);
		if ((unsigned char)*text < ' ')
			fprintf(stream, "\\u%04x", (unsigned int)*text);
		else
			fputc(*text, stream);
	}
	fputc('"', stream);
}
