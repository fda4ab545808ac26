/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording as a page: recording-page.html, line by line, with the recording as JSON where it says DATA.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/recording-report.h"

/* More would only be drawn over each other, and make the page long. */
#define NSAMPLES_MAX 12000

static const char *const page[] = {
#include "cli/recording-page.inc"
};

/* Within a script element, where the parser of HTML looks for its end in all that begins with <. */
static void write_in_script(FILE *stream, const char *json)
{
	for (; *json != '\0'; json++)
		if (*json == '<')
			fputs("\\u003c", stream);
		else
			fputc(*json, stream);
}

bool fl_recording_html(FILE *stream, const struct fl_recording *recording)
{
	char *json = NULL;
	size_t length;
	FILE *text = open_memstream(&json, &length);

	if (text == NULL)
		return false;
	fl_recording_json(text, recording, NSAMPLES_MAX);
	if (fclose(text) != 0)
		return false;
	for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++)
		if (strcmp(page[i], "DATA") == 0)
			write_in_script(stream, json);
		else
			fprintf(stream, "%s\n", page[i]);
	free(json);
	return true;
}
