/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow pool: the list of what it does, and page sizes.
 */
#include "cli/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/hugepages.h"
#include "cli/text.h"

int fl_pool(int argc, char **argv)
{
	static const struct fl_command commands[] = {
		{ "show", "say how many huge pages there are, and where hugetlbfs is mounted", fl_pool_show },
		{ "resize", "change how many pages a pool has", fl_pool_resize },
		{ "mount", "mount a hugetlbfs on a directory", fl_pool_mount },
		{ "umount", "take such a mount away", fl_pool_umount },
		{ NULL, NULL, NULL }
	};

	return fl_dispatch(commands, "The system's pools of huge pages.", argc, argv);
}

uint64_t fl_pool_parse_size(const char *text, struct argp_state *state)
{
	uint64_t sizes[FL_NSIZES_MAX], size;
	size_t n = fl_hugepages_sizes(sizes);
	bool parsed = fl_size_parse(text, &size);
	char list[FL_NSIZES_MAX * FL_SIZE_LENGTH] = "none", one[FL_SIZE_LENGTH];
	int used = 0;

	for (size_t i = 0; i < n; i++) {
		if (parsed && sizes[i] == size)
			return size;
		used += sprintf(list + used, "%s%s", i == 0 ? "" : ", ", fl_size_print(sizes[i], one));
	}
	argp_error(state, "--size=%s: no pool has pages of '%s'; there are: %s", text, text, list);
	return 0;
}

uint64_t fl_pool_default_size(const char *name)
{
	uint64_t size = fl_hugepages_default();

	if (size == 0) {
		fprintf(stderr, "%s: this kernel has no huge pages\n", name);
		exit(FL_STATUS_NO);
	}
	return size;
}
