/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at the terminal, and writing pages to it.
 */
#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24

#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

static bool has_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);
		if (value != NULL && *value != '\0')
			return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
	}
	return false;
}

static bool has_colours(void)
{
	const char *term = getenv("TERM"), *refused = getenv("NO_COLOR");

	return term != NULL && strcmp(term, "dumb") != 0 && (refused == NULL || *refused == '\0');
}

void fl_terminal_look(struct fl_terminal *terminal)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t n;

	*terminal = (struct fl_terminal){ .columns = COLUMNS_DEFAULT, .rows = ROWS_DEFAULT };
	if (columns != NULL && fl_number_parse(columns, &n) && n > 0 && n < 10000)
		terminal->columns = (size_t)n;
	if (!isatty(STDOUT_FILENO))
		return;
	terminal->is_terminal = true;
	terminal->colours = has_colours();
	terminal->unicode = has_utf8();
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		terminal->columns = size.ws_col;
		terminal->rows = size.ws_row;
	}
}

/* Bytes of a line of at most so many columns; what colours it takes none. */
static size_t cut(const char *line, size_t length, size_t columns)
{
	size_t i = 0;

	for (size_t column = 0; i < length; i++) {
		if (line[i] == '\033') {
			while (i < length && line[i] != 'm')
				i++;
		} else if (((unsigned char)line[i] & 0xc0) != 0x80 && column++ == columns) {
			break;
		}
	}
	return i;
}

bool fl_terminal_page(const struct fl_terminal *terminal, const char *text, bool in_place)
{
	size_t left = in_place ? terminal->rows - 1 : SIZE_MAX;

	if (in_place)
		fputs(HOME, stdout);
	for (; *text != '\0' && left > 0; left--) {
		size_t length = strcspn(text, "\n");
		size_t shown = terminal->is_terminal ? cut(text, length, terminal->columns) : length;
		fwrite(text, 1, shown, stdout);
		/* The colour must not go on where it was cut off. */
		fputs(terminal->colours && shown < length ? "\033[0m" : "", stdout);
		fputs(in_place ? CLEAR_LINE "\n" : "\n", stdout);
		text += length + (text[length] == '\n');
	}
	if (in_place)
		fputs(CLEAR_BELOW, stdout);
	return fflush(stdout) == 0;
}
