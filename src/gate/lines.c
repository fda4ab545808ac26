/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of small files.
 */
#include "gate/lines.h"

#include <fcntl.h>
#include <string.h>

#include "os/os.h"

int fl_lines_open(struct fl_lines *lines, const char *path)
{
	lines->fd = fl_os_open(path, O_RDONLY, 0);
	lines->error = lines->fd < 0 ? lines->fd : 0;
	lines->from = lines->to = 0;
	return lines->error;
}

void fl_lines_close(struct fl_lines *lines)
{
	if (lines->fd >= 0)
		fl_os_close(lines->fd);
	lines->fd = -1;
}

/* Read more behind what is there. False at the end of the file. */
static bool fill(struct fl_lines *lines)
{
	memmove(lines->text, lines->text + lines->from, lines->to - lines->from);
	lines->to -= lines->from;
	lines->from = 0;
	if (lines->fd < 0)
		return false;
	ssize_t n = fl_os_read(lines->fd, lines->text + lines->to, FL_LINES_LENGTH - lines->to);
	if (n <= 0) {
		lines->error = (int)n;
		fl_lines_close(lines);
		return false;
	}
	lines->to += (size_t)n;
	return true;
}

char *fl_lines_next(struct fl_lines *lines)
{
	bool skipping = false;

	for (;;) {
		char *line = lines->text + lines->from;
		char *end = memchr(line, '\n', lines->to - lines->from);
		if (end == NULL && lines->from == 0 && lines->to == FL_LINES_LENGTH) {
			skipping = true;
			lines->to = 0;
		}
		if (end == NULL && fill(lines))
			continue;
		if (end == NULL) {
			/* The last line may lack its end. */
			line = lines->text;
			end = lines->text + lines->to;
			if (line == end)
				return NULL;
		}
		lines->from = fl_min((size_t)(end - lines->text) + 1, lines->to);
		*end = '\0';
		if (!skipping)
			return line;
		skipping = false;
	}
}
