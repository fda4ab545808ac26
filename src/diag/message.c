/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on stderr.
 */
#include "diag/message.h"

#include <stdlib.h>

#include "base/format.h"
#include "os/os.h"

#define PREFIX "fallow: "
#define LINE_LENGTH 400

/* Written while the heap starts. */
static struct {
	bool exists;
	dev_t device;
	ino_t inode;
} first_stderr;

void fl_message_start(void)
{
	struct stat file;

	first_stderr.exists = fl_os_fstat(2, &file) == 0;
	if (first_stderr.exists) {
		first_stderr.device = file.st_dev;
		first_stderr.inode = file.st_ino;
	}
}

bool fl_message_has_stderr(void)
{
	struct stat file;

	return first_stderr.exists && fl_os_fstat(2, &file) == 0 && file.st_dev == first_stderr.device &&
	       file.st_ino == first_stderr.inode;
}

__attribute__((format(printf, 1, 0))) static void write_line(const char *format, va_list arguments)
{
	char line[LINE_LENGTH] = PREFIX;
	size_t used = sizeof(PREFIX) - 1;

	used += fl_format_list(line + used, sizeof(line) - used - 1, format, arguments);
	line[used++] = '\n';
	fl_os_write(2, line, used);
}

void fl_message(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(format, arguments);
	va_end(arguments);
}

void fl_fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(format, arguments);
	va_end(arguments);
	abort();
}
