/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow pool show: the pools and the mounts as tables.
 */
#include <stdio.h>

#include "cli/hugepages.h"
#include "cli/pool.h"
#include "cli/text.h"

#define NNODES_MAX 256

static error_t parse(int key, char *argument, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	argp_error(state, "'%s' is one too many: there are no arguments", argument);
	return 0;
}

static void show_pool(uint64_t size, int node)
{
	struct fl_hugepages pool;
	char text[FL_SIZE_LENGTH], name[16] = "all", reserved[24] = "-", overcommit[24] = "-";

	if (!fl_hugepages_read(size, node, &pool))
		return;
	if (node == FL_NODE_ANY) {
		snprintf(reserved, sizeof(reserved), "%llu", (unsigned long long)pool.reserved);
		snprintf(overcommit, sizeof(overcommit), "%llu", (unsigned long long)pool.overcommit);
	} else {
		snprintf(name, sizeof(name), "%d", node);
	}
	printf("%-6s %-5s %9llu %9llu %9s %9llu %11s\n", fl_size_print(size, text), name, (unsigned long long)pool.total,
	       (unsigned long long)pool.free, reserved, (unsigned long long)pool.surplus, overcommit);
}

static void show_mount(const struct fl_hugetlbfs *mount, void *argument)
{
	char size[FL_SIZE_LENGTH], limit[FL_SIZE_LENGTH] = "-", room[FL_SIZE_LENGTH] = "-";
	bool *any = argument;

	if (!*any)
		printf("\n%-6s %9s %9s  %-8s  %s\n", "SIZE", "LIMIT", "ROOM", "YOU", "MOUNTED ON");
	*any = true;
	if (mount->limited) {
		fl_size_print(mount->size, limit);
		fl_size_print(mount->free, room);
	}
	printf("%-6s %9s %9s  %-8s  %s\n", fl_size_print(mount->page_size, size), limit, room,
	       mount->writable ? "write" : "may not", mount->directory);
}

int fl_pool_show(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, NULL,
					  "Say how many huge pages there are, in pages, and where hugetlbfs is mounted. "
					  "RESERVED of the free pages are promised to mappings; SURPLUS pages were made "
					  "on demand, of which OVERCOMMIT may be.", NULL, NULL, NULL };
	uint64_t sizes[FL_NSIZES_MAX];
	int nodes[NNODES_MAX];
	bool any = false;

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, NULL);
	size_t nsizes = fl_hugepages_sizes(sizes), nnodes = fl_hugepages_nodes(nodes, NNODES_MAX);
	if (nsizes == 0) {
		fprintf(stderr, "%s: this kernel has no huge pages\n", argv[0]);
		return FL_STATUS_NO;
	}
	printf("%-6s %-5s %9s %9s %9s %9s %11s\n", "SIZE", "NODE", "TOTAL", "FREE", "RESERVED", "SURPLUS", "OVERCOMMIT");
	for (size_t i = 0; i < nsizes; i++) {
		show_pool(sizes[i], FL_NODE_ANY);
		for (size_t j = 0; j < nnodes; j++)
			show_pool(sizes[i], nodes[j]);
	}
	fl_hugetlbfs_each(show_mount, &any);
	return fflush(stdout) == 0 ? FL_STATUS_OK : FL_STATUS_NO;
}
