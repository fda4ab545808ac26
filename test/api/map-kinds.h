/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of map that need nothing of the machine, and what is asked of each of their pages. Uses must()
 * (test/lib/place.h), so that it serves in children as well.
 */
#ifndef TEST_API_MAP_KINDS_H
#define TEST_API_MAP_KINDS_H

#include <fallow/fallow.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/lib/place.h"
#include "test/lib/test.h"

struct map_kind {
	const char *name;
	enum fallow_backing backing;
	enum fallow_share share;
	bool on_tmpfs; /* FILE: a memfd of the caller's own, else an ordinary file */
};

static const struct map_kind map_kinds[] = {
	{ "anonymous", FALLOW_BACKING_ANON, FALLOW_SHARE_PRIVATE, false },
	{ "anonymous shared", FALLOW_BACKING_ANON, FALLOW_SHARE_SHARED, false },
	{ "memfd", FALLOW_BACKING_MEMFD, FALLOW_SHARE_SHARED, false },
	{ "memfd private", FALLOW_BACKING_MEMFD, FALLOW_SHARE_PRIVATE, false },
	{ "file", FALLOW_BACKING_FILE, FALLOW_SHARE_SHARED, false },
	{ "file private", FALLOW_BACKING_FILE, FALLOW_SHARE_PRIVATE, false },
	{ "file on tmpfs", FALLOW_BACKING_FILE, FALLOW_SHARE_SHARED, true },
	{ "file on tmpfs private", FALLOW_BACKING_FILE, FALLOW_SHARE_PRIVATE, true },
};

#define NMAP_KINDS (sizeof(map_kinds) / sizeof(map_kinds[0]))

/* A file without a name: the caller closes it. */
static inline int map_file(const struct map_kind *kind)
{
	if (kind->backing != FALLOW_BACKING_FILE)
		return -1;
	if (kind->on_tmpfs)
		return memfd_create("map", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FILE *file = tmpfile();
	int fd = dup(fileno(file));
	fclose(file);
	return fd;
}

/* Options for a map of the kind, with its file open as fd. */
static inline struct fallow_map_options map_options(const struct map_kind *kind, size_t length)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.backing = kind->backing;
	options.share = kind->share;
	options.length = length;
	options.fd = map_file(kind);
	return options;
}

static inline struct fallow_map *map_create(const struct fallow_map_options *options)
{
	struct fallow_map *map = NULL;

	must_equal(fallow_map_create(options, &map), 0);
	return map;
}

/* Destroy the map and close its file. */
static inline void map_end(struct fallow_map *map, const struct fallow_map_options *options)
{
	fallow_map_destroy(map);
	if (options->fd >= 0)
		close(options->fd);
}

static inline size_t map_populated(struct fallow_map *map)
{
	struct fallow_map_stat stat = FALLOW_MAP_STAT_INIT;

	must_equal(fallow_map_stats(map, &stat), 0);
	return stat.populated;
}

/* The signal that reading a byte ends a child by; 0 when it lives. */
static inline int map_touch(const volatile char *byte)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		/* cmocka has handlers. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		(void)*byte;
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Whether all bytes of a range are value. */
static inline bool map_reads(const char *bytes, size_t length, char value)
{
	return bytes[0] == value && memcmp(bytes, bytes + 1, length - 1) == 0;
}

#endif
