/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shared-pool: a database's buffers on huge pages, shared by its processes.
 *
 * PostgreSQL with huge_pages=on maps shared_buffers by MAP_HUGETLB, and where a container has fewer pages than it was
 * promised, a backend dies of SIGBUS at the first touch of a buffer, and all others with it (docker-library/postgres,
 * issue 451). Other databases want a fault and not a page for a touch of what was never handed out, for which the kernel
 * got UFFD_FEATURE_SIGBUS. Here buffers are populated before they are handed out, or refused with the reason, and a touch
 * of a hole ends the process that made it, and takes no page.
 *
 * It needs huge pages: echo 8 >/proc/sys/vm/nr_hugepages
 */
#include "example.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fallow_map *pool;
static size_t page;

static size_t free_pages(void)
{
	FILE *meminfo = fopen("/proc/meminfo", "re");
	char line[256];
	size_t n = 0;

	while (meminfo != NULL && fgets(line, sizeof(line), meminfo) != NULL)
		sscanf(line, "HugePages_Free: %zu", &n);
	if (meminfo != NULL)
		fclose(meminfo);
	return n;
}

static char *buffer(size_t number)
{
	return (char *)fallow_map_base(pool) + number * page;
}

static void show(const char *what)
{
	printf("%-52s %2zu buffers, %2zu huge pages free\n", what, example_stat(pool).populated / page, free_pages());
}

/* A backend that writes to a buffer; the signal that ended it, or 0. */
static int backend(size_t number, const char *query)
{
	int status = 0;
	pid_t child = fork();

	promise(child >= 0, "there are processes");
	if (child == 0) {
		strcpy(buffer(number), query);
		_exit(0);
	}
	promise(waitpid(child, &status, 0) == child, "a backend ends");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int main(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	size_t nfree = free_pages();

	if (nfree < 4) {
		printf("skipped: %zu huge pages are free, and 4 are wanted: echo 8 >/proc/sys/vm/nr_hugepages\n", nfree);
		return EXAMPLE_LACKS;
	}
	options.backing = FALLOW_BACKING_HUGETLB;
	options.share = FALLOW_SHARE_SHARED;
	options.guard = FALLOW_GUARD_TRAP;
	options.length = 1 * GIB;
	pool = example_map(&options);
	page = fallow_map_page_size(pool);
	show("1 GiB of addresses for buffers");

	int result = fallow_map_populate(pool, 0, (nfree + 1) * page, FALLOW_POPULATE_WRITE);
	promise(result == -ENOMEM, "no is an answer");
	show("one buffer more than there are pages: refused");
	printf("  because: %s\n", example_why());
	promise(example_stat(pool).populated == 0 && free_pages() == nfree, "what fails leaves nothing behind");

	promise(fallow_map_populate(pool, 0, 3 * page, FALLOW_POPULATE_WRITE) == 0, "what there is can be had");
	show("three buffers");
	promise(free_pages() == nfree - 3, "each has its page");

	promise(backend(0, "select 1") == 0 && strcmp(buffer(0), "select 1") == 0, "what a backend writes all see");
	show("a backend wrote to one, and all see it");

	int signal = backend(7, "a stray pointer");
	promise(signal == SIGSEGV, "a hole is loud");
	show("a backend wrote to a hole: it is gone");
	promise(free_pages() == nfree - 3, "a stray touch takes no page");
	promise(backend(2, "select 2") == 0 && strcmp(buffer(2), "select 2") == 0, "all others go on");

	promise(fallow_map_discard(pool, page, 2 * page) == 0, "buffers can be given back");
	show("two buffers given back");
	promise(free_pages() == nfree - 1 && strcmp(buffer(0), "select 1") == 0, "they are the system's, the third is ours");
	fallow_map_destroy(pool);
	promise(free_pages() == nfree, "it is all given back");
	return 0;
}
