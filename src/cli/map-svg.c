/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The picture as SVG 1.1. A cell that is in several states is cut into strips, as high as each has a part in it.
 */
#include <inttypes.h>
#include <time.h>

#include "cli/map.h"
#include "cli/text.h"

/* Pixels. Cells begin at multiples of their size, so that one pattern of lines fits all panels. */
#define CELL 8
#define STRIP_LEAST 1.0
#define LEFT 72
#define RIGHT 24
#define TITLE_HEIGHT 64
#define LEGEND_LINE 24
#define LEGEND_COLUMNS 3
#define PANEL_HEAD 40
#define PANEL_GAP 16
#define LABEL_EVERY 4 /* rows */

static void write_escaped(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<': fputs("&lt;", stream); break;
		case '>': fputs("&gt;", stream); break;
		case '&': fputs("&amp;", stream); break;
		default: fputc(*text, stream);
		}
	}
}

static size_t rows_of(const struct fl_picture *picture, const struct fl_panel *panel)
{
	return (panel->ncells + picture->ncolumns - 1) / picture->ncolumns;
}

static size_t width_of(const struct fl_picture *picture)
{
	return LEFT + picture->ncolumns * CELL + RIGHT;
}

static size_t legend_height(void)
{
	return (FL_NSTATES + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS * LEGEND_LINE;
}

static size_t height_of(const struct fl_picture *picture)
{
	size_t height = TITLE_HEIGHT + legend_height() + PANEL_GAP;

	for (size_t i = 0; i < picture->npanels; i++)
		height += PANEL_HEAD + rows_of(picture, &picture->panels[i]) * CELL + PANEL_GAP;
	return height + PANEL_GAP;
}

static void write_head(FILE *stream, const struct fl_picture *picture)
{
	size_t width = width_of(picture), height = height_of(picture);

	fprintf(stream,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" "
		"font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#333\">\n"
		"<defs><pattern id=\"lines\" width=\"%d\" height=\"%d\" patternUnits=\"userSpaceOnUse\">"
		"<path d=\"M0 0.25H%dM0.25 0V%d\" stroke=\"#fff\" stroke-width=\"0.5\"/></pattern></defs>\n"
		"<rect width=\"%zu\" height=\"%zu\" fill=\"#fff\"/>\n",
		width, height, width, height, CELL, CELL, CELL, CELL, width, height);
}

static void write_title(FILE *stream, const struct fl_picture *picture)
{
	char cell[FL_SIZE_LENGTH], row[FL_SIZE_LENGTH], date[32];
	time_t now = time(NULL);

	strftime(date, sizeof(date), "%F %T", localtime(&now));
	fprintf(stream, "<title>Memory of ");
	write_escaped(stream, picture->process->command);
	fprintf(stream, "</title>\n<text x=\"%d\" y=\"28\" font-size=\"18\" font-weight=\"bold\">Memory of ", LEFT);
	write_escaped(stream, picture->process->command);
	fprintf(stream, " (%d) on fallow</text>\n", picture->process->pid);
	fprintf(stream, "<text x=\"%d\" y=\"48\">%s. A square is %s, a row %s.", LEFT, date,
		fl_size_print(picture->cell, cell), fl_size_print(picture->cell * picture->ncolumns, row));
	if (picture->nempty != 0)
		fprintf(stream, " %zu more region%s with nothing mapped.", picture->nempty,
			picture->nempty == 1 ? " is reserved" : "s are reserved");
	fputs("</text>\n", stream);
}

static void write_legend(FILE *stream, const struct fl_picture *picture)
{
	size_t column = (width_of(picture) - LEFT - RIGHT) / LEGEND_COLUMNS;
	char size[FL_SIZE_LENGTH];

	for (enum fl_state state = FL_USED; state < FL_NSTATES; state++) {
		size_t lines = legend_height() / LEGEND_LINE;
		size_t x = LEFT + state / lines * column, y = TITLE_HEIGHT + state % lines * LEGEND_LINE;
		fprintf(stream, "<rect x=\"%zu\" y=\"%zu\" width=\"14\" height=\"14\" fill=\"%s\"/>", x, y,
			fl_state_styles[state].colour);
		fprintf(stream, "<text x=\"%zu\" y=\"%zu\">%s: %s</text>\n", x + 20, y + 11, fl_state_styles[state].text,
			fl_size_print(picture->sum.bytes[state], size));
	}
}

static void write_rectangle(FILE *stream, double x, double y, double width, double height, enum fl_state state)
{
	fprintf(stream, "<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" fill=\"%s\"/>\n", x, y, width, height,
		fl_state_styles[state].colour);
}

/* The one state that a cell is in, or FL_NSTATES. */
static enum fl_state only_state(const struct fl_mix *mix)
{
	enum fl_state only = FL_NSTATES;

	for (enum fl_state state = FL_USED; state < FL_NSTATES; state++) {
		if (mix->bytes[state] != 0 && only != FL_NSTATES)
			return FL_NSTATES;
		if (mix->bytes[state] != 0)
			only = state;
	}
	return only;
}

/* Strips from the bottom up, in front of what is discarded. However little there is of a state can be seen. */
static void write_mixed_cell(FILE *stream, const struct fl_mix *mix, uint64_t cell, size_t x, size_t y)
{
	double bottom = (double)(y + CELL);

	if (mix->bytes[FL_DISCARDED] != 0)
		write_rectangle(stream, (double)x, (double)y, CELL, CELL, FL_DISCARDED);
	for (enum fl_state state = FL_USED; state < FL_DISCARDED; state++) {
		double height = (double)mix->bytes[state] / (double)cell * CELL;
		if (height == 0)
			continue;
		height = height < STRIP_LEAST ? STRIP_LEAST : height;
		height = bottom - height < (double)y ? bottom - (double)y : height;
		bottom -= height;
		write_rectangle(stream, (double)x, bottom, CELL, height, state);
	}
}

/* Cells of a row that are alike are one rectangle. */
static void write_row(FILE *stream, const struct fl_mix *cells, size_t n, uint64_t cell, size_t y)
{
	for (size_t i = 0, run; i < n; i += run) {
		enum fl_state state = only_state(&cells[i]);
		size_t x = LEFT + i * CELL;
		run = 1;
		if (state == FL_NSTATES) {
			write_mixed_cell(stream, &cells[i], cell, x, y);
			continue;
		}
		while (i + run < n && only_state(&cells[i + run]) == state)
			run++;
		write_rectangle(stream, (double)x, (double)y, (double)(run * CELL), CELL, state);
	}
}

static void write_panel(FILE *stream, const struct fl_picture *picture, const struct fl_panel *panel, size_t top)
{
	char text[160], size[FL_SIZE_LENGTH];
	size_t y = top + PANEL_HEAD;

	fl_panel_describe(panel, text, sizeof(text));
	fprintf(stream, "<text x=\"%d\" y=\"%zu\" font-weight=\"bold\">", LEFT, top + 14);
	write_escaped(stream, text);
	fprintf(stream, "</text>\n<text x=\"%d\" y=\"%zu\" font-size=\"10\" fill=\"#777\">at 0x%" PRIx64, LEFT, top + 30,
		panel->region->base);
	if (panel->length < panel->mapped)
		fprintf(stream, "; nothing from +%s on", fl_size_print(panel->length, size));
	fputs("</text>\n", stream);
	for (size_t i = 0; i < panel->ncells; i += picture->ncolumns) {
		size_t left = panel->ncells - i, row = i / picture->ncolumns;
		write_row(stream, panel->cells + i, left < picture->ncolumns ? left : picture->ncolumns, panel->cell,
			  y + row * CELL);
		if (row % LABEL_EVERY == 0)
			fprintf(stream, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\" font-size=\"9\" fill=\"#777\">+%s</text>\n",
				LEFT - 6, y + row * CELL + CELL, fl_size_print(i * panel->cell, size));
	}
	fprintf(stream, "<rect x=\"%d\" y=\"%zu\" width=\"%zu\" height=\"%zu\" fill=\"url(#lines)\"/>\n", LEFT, y,
		picture->ncolumns * CELL, rows_of(picture, panel) * CELL);
}

void fl_map_svg(FILE *stream, const struct fl_picture *picture)
{
	size_t top = TITLE_HEIGHT + legend_height() + PANEL_GAP;

	write_head(stream, picture);
	write_title(stream, picture);
	write_legend(stream, picture);
	for (size_t i = 0; i < picture->npanels; i++) {
		write_panel(stream, picture, &picture->panels[i], top);
		top += PANEL_HEAD + rows_of(picture, &picture->panels[i]) * CELL + PANEL_GAP;
	}
	fputs("</svg>\n", stream);
}
