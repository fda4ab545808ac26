/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A picture of a process's regions, and the ways in which fallow map draws it.
 *
 * Each region is rows of cells, all cells of all regions of the same number of bytes. Maps may be so long that they
 * have a scale of their own.
 */
#ifndef FL_CLI_MAP_H
#define FL_CLI_MAP_H

#include <stdio.h>

#include "cli/residency.h"
#include "cli/terminal.h"

struct fl_panel {
	const struct fl_live_region *region;
	uint64_t mapped;      /* bytes */
	uint64_t length;      /* bytes of these that are drawn: what follows was never used, or is all discarded */
	uint64_t cell;        /* bytes of a cell: the picture's, more in a map that is long */
	struct fl_mix *cells; /* malloc's */
	size_t ncells;
	struct fl_mix sum;
};

struct fl_picture {
	const struct fl_process *process;
	struct fl_panel *panels; /* of regions that have something mapped; malloc's */
	size_t npanels;
	size_t nempty;           /* regions without */
	uint64_t cell;           /* bytes of a cell of the regions */
	size_t ncolumns;         /* cells in a row */
	struct fl_mix sum;
};

/* Look at all regions; the largest gets at most nrows rows of ncolumns cells. False when the process has ended. */
bool fl_picture_take(struct fl_picture *picture, const struct fl_process *process, const struct fl_live *live,
		     size_t ncolumns, size_t nrows);
void fl_picture_destroy(struct fl_picture *picture);

/* "fallow heap, anon, at 0x...: 3M in use, ...": what a panel is headed with, cut to length. */
void fl_panel_describe(const struct fl_panel *panel, char *text, size_t length);

void fl_map_text(FILE *stream, const struct fl_picture *picture, const struct fl_terminal *terminal);
void fl_map_svg(FILE *stream, const struct fl_picture *picture);

#endif
