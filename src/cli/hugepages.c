/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the pools and the mounts; see hugepages.h.
 */
#include "cli/hugepages.h"

#include <dirent.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/text.h"

#define POOLS "/sys/kernel/mm/hugepages"
#define NODES "/sys/devices/system/node"

/* The numbers in the names "prefix<number>..." of a directory, in order. */
static size_t numbers_in(const char *path, const char *prefix, uint64_t *numbers, size_t length)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	while (directory != NULL && n < length && (entry = readdir(directory)) != NULL) {
		const char *digits = entry->d_name + strlen(prefix);
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || *digits < '0' || *digits > '9')
			continue;
		uint64_t number = strtoull(digits, NULL, 10);
		size_t at = n++;
		for (; at > 0 && numbers[at - 1] > number; at--)
			numbers[at] = numbers[at - 1];
		numbers[at] = number;
	}
	if (directory != NULL)
		closedir(directory);
	return n;
}

size_t fl_hugepages_sizes(uint64_t sizes[FL_NSIZES_MAX])
{
	size_t n = numbers_in(POOLS, "hugepages-", sizes, FL_NSIZES_MAX);

	for (size_t i = 0; i < n; i++)
		sizes[i] <<= 10;
	return n;
}

uint64_t fl_hugepages_default(void)
{
	uint64_t kbytes;

	return fl_file_field("/proc/meminfo", "Hugepagesize:", &kbytes) ? kbytes << 10 : 0;
}

size_t fl_hugepages_nodes(int nodes[], size_t length)
{
	uint64_t numbers[256];
	size_t n = numbers_in(NODES, "node", numbers, length < 256 ? length : 256);

	for (size_t i = 0; i < n; i++)
		nodes[i] = (int)numbers[i];
	return n;
}

void fl_hugepages_path(uint64_t page_size, int node, const char *file, char path[FL_PATH_LENGTH])
{
	unsigned long long kbytes = page_size >> 10;

	if (node == FL_NODE_ANY)
		snprintf(path, FL_PATH_LENGTH, POOLS "/hugepages-%llukB/%s", kbytes, file);
	else
		snprintf(path, FL_PATH_LENGTH, NODES "/node%d/hugepages/hugepages-%llukB/%s", node, kbytes, file);
}

static bool read_count(const struct fl_hugepages *pool, const char *file, uint64_t *count)
{
	char path[FL_PATH_LENGTH];

	fl_hugepages_path(pool->page_size, pool->node, file, path);
	return fl_file_number(path, count);
}

bool fl_hugepages_read(uint64_t page_size, int node, struct fl_hugepages *pool)
{
	*pool = (struct fl_hugepages){ .page_size = page_size, .node = node };
	if (!read_count(pool, "nr_hugepages", &pool->total) || !read_count(pool, "free_hugepages", &pool->free) ||
	    !read_count(pool, "surplus_hugepages", &pool->surplus))
		return false;
	if (node == FL_NODE_ANY) {
		read_count(pool, "resv_hugepages", &pool->reserved);
		read_count(pool, "nr_overcommit_hugepages", &pool->overcommit);
	}
	return true;
}

static void describe(const char *directory, struct fl_hugetlbfs *mount)
{
	struct statfs fs = { 0 };

	snprintf(mount->directory, sizeof(mount->directory), "%s", directory);
	statfs(directory, &fs);
	mount->page_size = (uint64_t)fs.f_bsize;
	/* A hugetlbfs without a size says 0 blocks. */
	mount->limited = fs.f_blocks != 0;
	mount->size = fs.f_blocks * mount->page_size;
	mount->free = fs.f_bfree * mount->page_size;
	mount->writable = access(directory, W_OK | X_OK) == 0;
}

void fl_hugetlbfs_each(void (*see)(const struct fl_hugetlbfs *mount, void *argument), void *argument)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;

	while (mounts != NULL && (entry = getmntent(mounts)) != NULL) {
		struct fl_hugetlbfs mount;
		if (strcmp(entry->mnt_type, "hugetlbfs") != 0)
			continue;
		describe(entry->mnt_dir, &mount);
		see(&mount, argument);
	}
	if (mounts != NULL)
		endmntent(mounts);
}

struct search {
	const char *directory;
	struct fl_hugetlbfs *found;
	bool done;
};

static void compare(const struct fl_hugetlbfs *mount, void *argument)
{
	struct search *search = argument;

	if (strcmp(mount->directory, search->directory) == 0) {
		*search->found = *mount;
		search->done = true;
	}
}

bool fl_hugetlbfs_at(const char *directory, struct fl_hugetlbfs *mount)
{
	char path[PATH_MAX];
	struct search search = { .directory = path, .found = mount };

	if (realpath(directory, path) != NULL)
		fl_hugetlbfs_each(compare, &search);
	return search.done;
}
