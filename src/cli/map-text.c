/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The picture in characters: a block as high as its cell is full, in the colour of what most of it is; letters where
 * there are no colours.
 */
#include <inttypes.h>

#include "cli/map.h"
#include "cli/text.h"

static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };

#define NBLOCKS (sizeof(blocks) / sizeof(blocks[0]))

static bool is_drawn(const struct fl_terminal *terminal)
{
	return terminal->colours && terminal->unicode;
}

/* Colours as they were set last in a row. */
struct pen {
	FILE *stream;
	enum fl_state state, behind;
};

/* The kind of memory in front of what holds none. */
static void print_block(struct pen *pen, enum fl_state state, enum fl_state behind, uint64_t resident, uint64_t cell)
{
	size_t height = (size_t)(resident * NBLOCKS / cell);

	if (pen->state != state || pen->behind != behind)
		fprintf(pen->stream, "\033[38;5;%u;48;5;%um", fl_state_styles[state].terminal,
			fl_state_styles[behind].terminal);
	pen->state = state;
	pen->behind = behind;
	height = height < 1 ? 1 : height > NBLOCKS ? NBLOCKS : height;
	fputs(state == behind ? " " : blocks[height - 1], pen->stream);
}

static void print_cell(struct pen *pen, const struct fl_mix *mix, uint64_t cell, bool drawn)
{
	enum fl_state state = fl_mix_main(mix);
	uint64_t resident = fl_mix_resident(mix);
	enum fl_state behind = mix->bytes[FL_UNTOUCHED] > mix->bytes[FL_DISCARDED] ? FL_UNTOUCHED : FL_DISCARDED;

	if (!drawn)
		fputc(fl_state_styles[state].letter, pen->stream);
	else
		print_block(pen, state, resident == 0 ? state : behind, resident, cell);
}

static void print_panel(FILE *stream, const struct fl_picture *picture, const struct fl_panel *panel, bool drawn)
{
	struct pen pen = { stream, FL_NSTATES, FL_NSTATES };
	char text[160], offset[FL_SIZE_LENGTH];

	fl_panel_describe(panel, text, sizeof(text));
	fprintf(stream, "\n%s\n", text);
	for (size_t i = 0; i < panel->ncells; i++) {
		if (i % picture->ncolumns == 0) {
			fprintf(stream, "+%-7s ", fl_size_print(i * panel->cell, offset));
			pen.state = FL_NSTATES;
		}
		print_cell(&pen, &panel->cells[i], panel->cell, drawn);
		if (i % picture->ncolumns == picture->ncolumns - 1 || i == panel->ncells - 1)
			fputs(drawn ? "\033[0m\n" : "\n", stream);
	}
	if (panel->length < panel->mapped)
		fprintf(stream, "+%-7s nothing from here on\n", fl_size_print(panel->length, offset));
}

static void print_legend(FILE *stream, const struct fl_picture *picture, bool drawn)
{
	char size[FL_SIZE_LENGTH];

	fputc('\n', stream);
	for (enum fl_state state = FL_USED; state < FL_NSTATES; state++) {
		const struct fl_state_style *style = &fl_state_styles[state];
		if (picture->sum.bytes[state] == 0)
			continue;
		if (drawn)
			fprintf(stream, "\033[48;5;%um  \033[0m", style->terminal);
		else
			fprintf(stream, "%c ", style->letter);
		fprintf(stream, " %8s  %s\n", fl_size_print(picture->sum.bytes[state], size), style->text);
	}
}

void fl_map_text(FILE *stream, const struct fl_picture *picture, const struct fl_terminal *terminal)
{
	bool drawn = is_drawn(terminal);
	char size[FL_SIZE_LENGTH];

	fprintf(stream, "%s (%d) on fallow, a character for each %s\n", picture->process->command, picture->process->pid,
		fl_size_print(picture->cell, size));
	for (size_t i = 0; i < picture->npanels; i++)
		print_panel(stream, picture, &picture->panels[i], drawn);
	if (picture->nempty != 0)
		fprintf(stream, "\n%zu more region%s: reserved, nothing mapped\n", picture->nempty,
			picture->nempty == 1 ? "" : "s");
	print_legend(stream, picture, drawn);
}
