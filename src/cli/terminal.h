/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stdout is, and pages of text on it: cut to a terminal's size, and written over the page before where they refresh.
 */
#ifndef FL_CLI_TERMINAL_H
#define FL_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

struct fl_terminal {
	bool is_terminal;
	bool colours;  /* ECMA-48's are understood and wanted (NO_COLOR, TERM) */
	bool unicode;  /* the locale's characters are UTF-8 */
	size_t columns;
	size_t rows;
};

/* Look at stdout as it is now. What is no terminal has the columns that COLUMNS says, or 80. */
void fl_terminal_look(struct fl_terminal *terminal);

/*
 * Write a page of whole lines. On a terminal lines are cut at its last column; in_place, the page begins at the top, has no
 * more lines than fit, and replaces what was there. False when stdout takes no more.
 */
bool fl_terminal_page(const struct fl_terminal *terminal, const char *text, bool in_place);

#endif
