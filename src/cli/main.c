/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow: the list of what it does.
 */
#include <stddef.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	static const struct fl_command commands[] = {
		{ "run", "run a program on fallow", fl_run },
		{ "doctor", "say what keeps this machine from huge pages, and what to change", fl_doctor },
		{ "stat", "say what a running process has allocated", fl_stat },
		{ "map", "draw how a running process uses its memory", fl_map },
		{ "record", "record what a program does with its memory until it ends", fl_record },
		{ "report", "show a recording, as text or as a page for a browser", fl_report },
		{ "pool", "show, resize and mount pools of huge pages", fl_pool },
		{ NULL, NULL, NULL }
	};
	char name[] = "fallow";

	if (argc > 0)
		argv[0] = name;
	return fl_dispatch(commands, "fallow: memory that says no.", argc, argv);
}
