/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow map: takes the picture and has it drawn, on stdout or in a file.
 *
 * A PNG is an SVG that rsvg-convert has drawn: the picture is the same, and no library for images is needed to build this.
 */
#include "cli/map.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/memory.h"
#include "cli/text.h"

#define SVG_COLUMNS 128
#define SVG_ROWS 32
#define TEXT_COLUMNS 64
#define TEXT_ROWS 16
#define NCELLS_MEASURE 4096
#define LABEL_COLUMNS 9 /* beside the cells of a row */

struct request {
	int pid;
	const char *file; /* NULL: stdout, as text */
};

extern char **environ;

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), wanted = strlen(end);

	return length > wanted && strcmp(text + length - wanted, end) == 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 'o':
		if (!ends_with(argument, ".svg") && !ends_with(argument, ".png"))
			argp_error(state, "--output=%s: pictures are files that end in .svg or .png", argument);
		request->file = argument;
		return 0;
	default:
		return fl_process_argument(key, argument, state, &request->pid);
	}
}

/* Look at a panel's length in cells of cell bytes. */
static bool look(const struct fl_picture *picture, struct fl_panel *panel, uint64_t cell)
{
	free(panel->cells);
	panel->cell = cell;
	panel->ncells = (size_t)((panel->length + cell - 1) / cell);
	panel->cells = fl_allocate(panel->ncells, sizeof(*panel->cells));
	return fl_residency_read(picture->process, panel->region, panel->length, cell, panel->cells);
}

/* A panel for a region, from its base to where what is worth drawing of it ends; none if it is gone. */
static void measure(struct fl_picture *picture, const struct fl_live_region *region, uint64_t mapped)
{
	struct fl_panel panel = { .region = region, .mapped = mapped, .length = mapped };
	uint64_t cell = picture->process->live.granule;

	while (mapped / cell > NCELLS_MEASURE)
		cell *= 2;
	bool there = look(picture, &panel, cell);
	size_t n = panel.ncells;
	while (n > 1 && fl_mix_main(&panel.cells[n - 1]) == FL_DISCARDED)
		n--;
	panel.length = n * cell < mapped ? n * cell : mapped;
	free(panel.cells);
	panel.cells = NULL;
	if (there)
		picture->panels[picture->npanels++] = panel;
}

static void add_up(struct fl_picture *picture, struct fl_panel *panel)
{
	for (size_t i = 0; i < panel->ncells; i++)
		fl_mix_add(&panel->sum, &panel->cells[i]);
	panel->sum.bytes[FL_DISCARDED] += panel->mapped - panel->length;
	fl_mix_add(&picture->sum, &panel->sum);
}

/* Bytes of a cell with which so much takes at most nrows rows. */
static uint64_t fit(const struct fl_picture *picture, uint64_t length, size_t nrows)
{
	uint64_t cell = picture->process->live.granule;

	while (length > cell * picture->ncolumns * nrows)
		cell *= 2;
	return cell;
}

/* Look at all panels again, as they are to be drawn; those of regions that have gone since then go too. */
static void look_again(struct fl_picture *picture, size_t nrows)
{
	size_t n = 0;

	for (size_t i = 0; i < picture->npanels; i++) {
		struct fl_panel panel = picture->panels[i];
		uint64_t cell = panel.region->is_map ? fit(picture, panel.length, nrows) : picture->cell;
		if (!look(picture, &panel, cell)) {
			free(panel.cells);
			continue;
		}
		add_up(picture, &panel);
		picture->panels[n++] = panel;
	}
	picture->npanels = n;
}

bool fl_picture_take(struct fl_picture *picture, const struct fl_process *process, const struct fl_live *live,
		     size_t ncolumns, size_t nrows)
{
	uint64_t longest = 0;

	*picture = (struct fl_picture){ .process = process, .cell = process->live.granule, .ncolumns = ncolumns };
	picture->panels = fl_allocate(live->nregions, sizeof(*picture->panels));
	for (size_t i = 0; i < live->nregions; i++) {
		uint64_t mapped = live->regions[i].mapped;
		if (mapped == 0)
			picture->nempty++;
		else
			measure(picture, &live->regions[i], mapped);
	}
	for (size_t i = 0; i < picture->npanels; i++)
		if (!picture->panels[i].region->is_map && picture->panels[i].length > longest)
			longest = picture->panels[i].length;
	picture->cell = fit(picture, longest, nrows);
	look_again(picture, nrows);
	return fl_process_lives(process);
}

void fl_picture_destroy(struct fl_picture *picture)
{
	for (size_t i = 0; i < picture->npanels; i++)
		free(picture->panels[i].cells);
	free(picture->panels);
}

void fl_panel_describe(const struct fl_panel *panel, char *text, size_t length)
{
	const struct fl_mix *sum = &panel->sum;
	uint64_t used = sum->bytes[FL_USED] + sum->bytes[FL_USED_HUGE] + sum->bytes[FL_SPILLED];
	uint64_t idle = sum->bytes[FL_IDLE] + sum->bytes[FL_IDLE_HUGE];
	char texts[3][FL_SIZE_LENGTH];

	fl_size_print(used, texts[0]);
	fl_size_print(panel->mapped, texts[2]);
	if (panel->region->is_map)
		snprintf(text, length, "%s (%s): %s in use of %s; here each is %s", panel->region->name,
			 fl_live_backing(panel->region), texts[0], texts[2], fl_size_print(panel->cell, texts[1]));
	else
		snprintf(text, length, "%s (%s%s): %s in use, %s idle, of %s mapped", panel->region->name,
			 fl_live_backing(panel->region), panel->region->spilled ? ", spilled" : "", texts[0],
			 fl_size_print(idle, texts[1]), texts[2]);
}

static bool show_text(const struct fl_process *process, const struct fl_live *live)
{
	struct fl_terminal terminal;
	struct fl_picture picture;
	char *text = NULL;
	size_t length, ncolumns = TEXT_COLUMNS;
	FILE *stream = open_memstream(&text, &length);

	if (stream == NULL)
		return false;
	fl_terminal_look(&terminal);
	while (ncolumns > 8 && ncolumns + LABEL_COLUMNS > terminal.columns)
		ncolumns /= 2;
	bool taken = fl_picture_take(&picture, process, live, ncolumns, TEXT_ROWS);
	if (taken)
		fl_map_text(stream, &picture, &terminal);
	fl_picture_destroy(&picture);
	fclose(stream);
	taken = taken && fl_terminal_page(&terminal, text, false);
	free(text);
	return taken;
}

/* Have rsvg-convert make a file of what is written to the stream. NULL with errno when it cannot be started. */
static FILE *start_converter(const char *file, pid_t *pid)
{
	const char *arguments[] = { "rsvg-convert", "--zoom=2", "--format=png", "--output", file, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];

	if (pipe(ends) != 0)
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	int error = posix_spawnp(pid, arguments[0], &actions, NULL, (char **)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	if (error != 0) {
		close(ends[1]);
		errno = error;
		return NULL;
	}
	return fdopen(ends[1], "w");
}

static bool write_png(const char *file, const struct fl_picture *picture, const char *name)
{
	pid_t pid;
	int status;
	FILE *stream = start_converter(file, &pid);

	if (stream == NULL && errno == ENOENT)
		fprintf(stderr, "%s: a .png takes rsvg-convert (Debian's librsvg2-bin); a .svg does not\n", name);
	else if (stream == NULL)
		fprintf(stderr, "%s: rsvg-convert: %s\n", name, strerror(errno));
	if (stream == NULL)
		return false;
	fl_map_svg(stream, picture);
	fclose(stream);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What could not be written whole is taken away. */
static bool write_svg(const char *file, const struct fl_picture *picture, const char *name)
{
	FILE *stream = fopen(file, "we");

	if (stream == NULL) {
		fprintf(stderr, "%s: %s: %s\n", name, file, strerror(errno));
		return false;
	}
	fl_map_svg(stream, picture);
	bool failed = ferror(stream) != 0;
	if (fclose(stream) == 0 && !failed)
		return true;
	fprintf(stderr, "%s: %s: %s\n", name, file, strerror(errno));
	unlink(file);
	return false;
}

static enum fl_status draw(const struct request *request, const struct fl_process *process, const char *name)
{
	struct fl_live live = { 0 };
	struct fl_picture picture;
	bool read = fl_live_read(&live, process), written = false;

	if (read && request->file == NULL) {
		read = written = show_text(process, &live);
	} else if (read) {
		read = fl_picture_take(&picture, process, &live, SVG_COLUMNS, SVG_ROWS);
		if (read)
			written = ends_with(request->file, ".png") ? write_png(request->file, &picture, name) :
								     write_svg(request->file, &picture, name);
		fl_picture_destroy(&picture);
	}
	fl_live_destroy(&live);
	if (!read)
		fprintf(stderr, "%s: process %d has ended\n", name, process->pid);
	return read && written ? FL_STATUS_OK : FL_STATUS_NO;
}

int fl_map(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "output", 'o', "FILE", 0, "draw into a file, an .svg or a .png", 0 },
		{ 0 }
	};
	static const struct argp argp = { options, parse, "PID",
					  "Draw how a running process on fallow uses its memory: what is in use, what is free "
					  "but still populated, what is in huge pages, and what takes no memory.\v"
					  "The exit status is 1 when there is no such process, it is somebody else's, it does "
					  "not run on fallow, or the file cannot be written.", NULL, NULL, NULL };
	struct request request = { 0, NULL };
	struct fl_process process;

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &request);
	/* A converter that gives up is told by its status. */
	signal(SIGPIPE, SIG_IGN);
	if (!fl_process_open(&process, request.pid, argv[0]))
		return FL_STATUS_NO;
	enum fl_status status = draw(&request, &process, argv[0]);
	fl_process_close(&process);
	return status;
}
