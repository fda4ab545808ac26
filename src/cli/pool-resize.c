/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow pool resize: writes nr_hugepages, and reads how many came of it.
 *
 * The kernel takes any number and gives what it can, without an error: more pages than it finds whole memory for become
 * fewer, and pages in use cannot be taken away, but become surplus and go when they are freed. So what is asked for is
 * compared with what is there afterwards. What the kernel gave stays.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/hugepages.h"
#include "cli/pool.h"
#include "cli/text.h"

#define NNODES_MAX 256
#define GIGANTIC ((uint64_t)1 << 30)

struct resize {
	uint64_t page_size; /* 0: the default */
	int node;
	bool counted;
	uint64_t count;
};

static int parse_node(const char *text, struct argp_state *state)
{
	int nodes[NNODES_MAX];
	size_t n = fl_hugepages_nodes(nodes, NNODES_MAX);
	uint64_t number;

	if (fl_number_parse(text, &number))
		for (size_t i = 0; i < n; i++)
			if ((uint64_t)nodes[i] == number)
				return nodes[i];
	if (n == 0)
		argp_error(state, "--node=%s: this kernel knows no nodes", text);
	else
		argp_error(state, "--node=%s: no node '%s'; there are %zu, %d to %d", text, text, n, nodes[0], nodes[n - 1]);
	return FL_NODE_ANY;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct resize *resize = state->input;

	switch (key) {
	case 's':
		resize->page_size = fl_pool_parse_size(argument, state);
		return 0;
	case 'n':
		resize->node = parse_node(argument, state);
		return 0;
	case ARGP_KEY_ARG:
		if (resize->counted)
			argp_error(state, "'%s' is one too many: one number of pages is allowed", argument);
		if (!fl_number_parse(argument, &resize->count))
			argp_error(state, "'%s' is no number of pages; 0 and more are allowed", argument);
		resize->counted = true;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no number of pages given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Asked for more than there is, the kernel would take everybody's memory before it finds out. */
static bool is_beyond_memory(const struct resize *resize, const char *name)
{
	uint64_t kbytes;
	char total[FL_SIZE_LENGTH];

	if (!fl_file_field("/proc/meminfo", "MemTotal:", &kbytes) ||
	    resize->count <= (kbytes << 10) / resize->page_size)
		return false;
	fprintf(stderr, "%s: %llu pages are more than the machine has memory, %s; nothing is changed\n", name,
		(unsigned long long)resize->count, fl_size_print(kbytes << 10, total));
	return true;
}

static void explain_refusal(const char *name, const char *path, int error)
{
	fprintf(stderr, "%s: %s: %s", name, path, strerror(error));
	if (error == EACCES || error == EPERM)
		fputs("; only root may change a pool", stderr);
	else if (error == EROFS)
		fputs("; a container sees /sys read-only: do it outside", stderr);
	else if (error == EINVAL)
		fputs("; this kernel makes pages of this size at boot only: hugepagesz= and hugepages= on its command line",
		      stderr);
	fputc('\n', stderr);
}

static void explain_few(const struct fl_hugepages *had, const struct fl_hugepages *got, uint64_t count)
{
	uint64_t kbytes = 0;
	char missing[FL_SIZE_LENGTH], available[FL_SIZE_LENGTH], size[FL_SIZE_LENGTH];
	uint64_t bytes = (count - got->total) * got->page_size;

	fl_file_field("/proc/meminfo", "MemAvailable:", &kbytes);
	fprintf(stderr, "  for the rest, %s, the kernel found no memory in whole pages of %s; %s is available in all\n",
		fl_size_print(bytes, missing), fl_size_print(got->page_size, size),
		fl_size_print(kbytes << 10, available));
	if (bytes < kbytes << 10 && got->page_size >= GIGANTIC)
		fputs("  pages so large are best had at boot: hugepagesz=1G hugepages=N on the kernel's command line\n", stderr);
	else if (bytes < kbytes << 10)
		fputs("  it is in pieces: echo 1 >/proc/sys/vm/compact_memory, and try again; a number at boot always comes\n",
		      stderr);
	else
		fputs("  end what uses memory, or ask for fewer\n", stderr);
	fprintf(stderr, "  what came stays; to go back: %llu\n", (unsigned long long)had->total);
}

static void explain_many(const struct fl_hugepages *got)
{
	fprintf(stderr, "  %llu are in use and %llu promised to mappings: these go when they are freed\n",
		(unsigned long long)(got->total - got->free), (unsigned long long)got->reserved);
}

static int change(const struct resize *resize, const char *name)
{
	struct fl_hugepages had, got;
	char path[FL_PATH_LENGTH], number[32], size[FL_SIZE_LENGTH];

	fl_hugepages_path(resize->page_size, resize->node, "nr_hugepages", path);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)resize->count);
	if (!fl_hugepages_read(resize->page_size, resize->node, &had)) {
		fprintf(stderr, "%s: %s cannot be read\n", name, path);
		return FL_STATUS_NO;
	}
	int result = fl_file_write(path, number);
	if (result != 0) {
		explain_refusal(name, path, -result);
		return FL_STATUS_NO;
	}
	if (!fl_hugepages_read(resize->page_size, resize->node, &got))
		return FL_STATUS_NO;
	fl_size_print(resize->page_size, size);
	if (got.total == resize->count) {
		printf("%llu pages of %s, %llu before\n", (unsigned long long)got.total, size,
		       (unsigned long long)had.total);
		return FL_STATUS_OK;
	}
	fprintf(stderr, "%s: %llu pages of %s instead of %llu; %llu before\n", name, (unsigned long long)got.total, size,
		(unsigned long long)resize->count, (unsigned long long)had.total);
	if (got.total < resize->count)
		explain_few(&had, &got, resize->count);
	else
		explain_many(&got);
	return FL_STATUS_NO;
}

int fl_pool_resize(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "size", 's', "SIZE", 0, "of the pages, such as 2M or 1G; else the system's default", 0 },
		{ "node", 'n', "NODE", 0, "the pool of one NUMA node; else all nodes share", 0 },
		{ 0 }
	};
	static const struct argp argp = { options, parse, "NPAGES",
					  "Make a pool have so many pages. When the kernel gives fewer, or cannot take as many "
					  "away, this says so and why, and ends with status 1.", NULL, NULL, NULL };
	struct resize resize = { .node = FL_NODE_ANY };

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &resize);
	if (resize.page_size == 0)
		resize.page_size = fl_pool_default_size(argv[0]);
	return is_beyond_memory(&resize, argv[0]) ? FL_STATUS_NO : change(&resize, argv[0]);
}
