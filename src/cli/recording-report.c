/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow report: shows a recording, as text, as JSON, or as a page in a file.
 *
 * Of a recording that is cut off or damaged it shows what is whole, says what is not, and ends with a status that tells.
 */
#include "cli/recording-report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { KEY_JSON = FL_KEY_FIRST };

struct request {
	const char *recording;
	const char *page; /* NULL: stdout, as text or JSON */
	bool json;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;
	size_t length;

	switch (key) {
	case 'o':
		length = strlen(argument);
		if (length < sizeof(".html") || strcmp(argument + length - 5, ".html") != 0)
			argp_error(state, "--output=%s: pages are files that end in .html", argument);
		request->page = argument;
		return 0;
	case KEY_JSON:
		request->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (request->recording != NULL)
			argp_error(state, "'%s' is one recording too many", argument);
		request->recording = argument;
		return 0;
	case ARGP_KEY_END:
		if (request->recording == NULL)
			argp_error(state, "no recording");
		if (request->json && request->page != NULL)
			argp_error(state, "--json and --output are one too many");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool show(const struct request *request, const struct fl_recording *recording)
{
	struct fl_terminal terminal;
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return false;
	fl_terminal_look(&terminal);
	if (request->json)
		fl_recording_json(stream, recording, SIZE_MAX);
	else
		fl_recording_text(stream, recording, &terminal);
	fclose(stream);
	/* What a program reads is not cut. */
	terminal.is_terminal = terminal.is_terminal && !request->json;
	bool shown = fl_terminal_page(&terminal, text, false);
	free(text);
	return shown;
}

/* What could not be written whole is taken away. */
static bool write_page(const char *path, const struct fl_recording *recording, const char *name)
{
	FILE *stream = fopen(path, "we");

	if (stream == NULL) {
		fprintf(stderr, "%s: %s: %s\n", name, path, strerror(errno));
		return false;
	}
	bool written = fl_recording_html(stream, recording) && ferror(stream) == 0;
	if (fclose(stream) == 0 && written)
		return true;
	fprintf(stderr, "%s: %s: %s\n", name, path, strerror(errno));
	unlink(path);
	return false;
}

/* Text has its remarks in it. */
static void say_what_lacks(const struct fl_recording *recording, const char *path, const char *name)
{
	char text[FL_REMARK_LENGTH];

	for (unsigned int i = 0; fl_recording_remark(recording, i, text, sizeof(text)); i++)
		fprintf(stderr, "%s: %s: %s\n", name, path, text);
}

int fl_report(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "output", 'o', "FILE", 0, "write a page for a browser, an .html", 0 },
		{ "json", KEY_JSON, NULL, 0, "write JSON, all samples and maps", 0 },
		{ 0 }
	};
	static const struct argp argp = { options, parse, "RECORDING",
					  "Show what fallow record has recorded: memory over time, failures, and maps of the "
					  "memory at moments, such as that of a failure. The page needs no network.\v"
					  "The exit status is 1 when there is no such recording, the page cannot be written, or "
					  "the recording is cut off or damaged; then what is whole is shown.", NULL, NULL, NULL };
	struct request request = { NULL, NULL, false };
	struct fl_recording recording;

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &request);
	bool good = fl_recording_read(&recording, request.recording, argv[0]);
	if (good) {
		good = request.page != NULL ? write_page(request.page, &recording, argv[0]) : show(&request, &recording);
		if (request.page != NULL || request.json || !fl_recording_is_whole(&recording))
			say_what_lacks(&recording, request.recording, argv[0]);
		good = good && fl_recording_is_whole(&recording);
	}
	fl_recording_destroy(&recording);
	return good ? FL_STATUS_OK : FL_STATUS_NO;
}
