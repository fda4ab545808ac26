/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading limits and what is used of them.
 */
#include "gate/headroom.h"

#include <errno.h>
#include <string.h>

#include "base/format.h"
#include "diag/message.h"
#include "os/os.h"

#define PATH_LENGTH (FL_CGROUP_LENGTH + 64)

/* A reading on its way. */
struct reading {
	struct fl_lines *lines;
	struct fl_headroom *headroom;
	char path[PATH_LENGTH]; /* of the file being read */
	size_t folder;          /* bytes of path that are the folder */
};

void fl_headroom_complain(const char *path, int error)
{
	static bool said;

	if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
		fl_message("%s: %s; the memory limit that it tells of may be missed", path,
			   error == -EINVAL ? "makes no sense" : "cannot be read");
}

static void doubt(struct reading *reading, int error)
{
	reading->headroom->unsure = true;
	fl_headroom_complain(reading->path, error);
}

/* One limit with what is used of it, of which cache could be reclaimed. Any numbers are safe. True: it has the least room yet. */
static bool apply(struct fl_headroom *headroom, uint64_t limit, uint64_t used, uint64_t cache, enum fallow_reason reason)
{
	uint64_t hard = limit > used ? limit - used : 0;
	uint64_t kept = used - (cache < used ? cache : used);
	uint64_t room = limit > kept ? limit - kept : 0;

	headroom->hard = fl_min(headroom->hard, hard);
	if (room >= headroom->room)
		return false;
	headroom->room = room;
	headroom->limit = limit;
	headroom->reason = reason;
	return true;
}

static void name_file(struct reading *reading, const char *file)
{
	fl_format(reading->path + reading->folder, sizeof(reading->path) - reading->folder, "/%s", file);
}

/*
 * The number in a file, "max" being FL_UNLIMITED. False when the file is not there, as in a root group, or says
 * nothing that can be used; then it has been said.
 */
static bool read_number(struct reading *reading, const char *file, uint64_t *value)
{
	name_file(reading, file);
	int error = fl_lines_open(reading->lines, reading->path);
	if (error == -ENOENT)
		return false;
	char *line = error == 0 ? fl_lines_next(reading->lines) : NULL;
	fl_lines_close(reading->lines);
	if (error == 0)
		error = reading->lines->error;
	if (line != NULL) {
		const char *end = fl_parse_number(line, value);
		if (end != NULL && *end == '\0') {
			*value = fl_min(*value, FL_UNLIMITED);
			return true;
		}
		if (strcmp(line, "max") == 0) {
			*value = FL_UNLIMITED;
			return true;
		}
	}
	doubt(reading, error != 0 ? error : -EINVAL);
	return false;
}

/* One of the numbers of a file of lines "name number". */
struct entry {
	const char *name;
	uint64_t value; /* 0 where the file has no such line */
	bool found;
};

/* The number behind a name and blanks, if the line begins with it. */
static void match(const char *line, struct entry *entry)
{
	size_t length = strlen(entry->name);

	if (strncmp(line, entry->name, length) != 0 || (line[length] != ' ' && line[length] != '\t'))
		return;
	line += length;
	line += strspn(line, " \t");
	entry->found = fl_parse_number(line, &entry->value) != NULL;
	if (!entry->found)
		entry->value = 0;
}

/* Read entries out of the file that reading->path names. 0 or -errno. */
static int read_entries(struct reading *reading, struct entry *entries, size_t n)
{
	int error = fl_lines_open(reading->lines, reading->path);

	if (error != 0)
		return error;
	for (char *line; (line = fl_lines_next(reading->lines)) != NULL;) {
		for (size_t i = 0; i < n; i++)
			match(line, &entries[i]);
	}
	return reading->lines->error;
}

enum { INACTIVE, ACTIVE, REFAULT, LIMIT, SWAP_LIMIT, NENTRIES };

/* memory.stat of the group in reading: page cache, and what version 1 knows of limits above. False: it has been said. */
static bool read_stat(struct reading *reading, bool unified, struct entry entries[NENTRIES])
{
	const char *total = unified ? "" : "total_";
	char inactive[32], active[32], refault[40];

	fl_format(inactive, sizeof(inactive), "%sinactive_file", total);
	fl_format(active, sizeof(active), "%sactive_file", total);
	fl_format(refault, sizeof(refault), "%sworkingset_refault_file", total);
	entries[INACTIVE] = (struct entry){ .name = inactive };
	entries[ACTIVE] = (struct entry){ .name = active };
	entries[REFAULT] = (struct entry){ .name = refault }; /* pages; since 5.9 */
	entries[LIMIT] = (struct entry){ .name = "hierarchical_memory_limit" };
	entries[SWAP_LIMIT] = (struct entry){ .name = "hierarchical_memsw_limit" };
	name_file(reading, "memory.stat");
	int error = read_entries(reading, entries, NENTRIES);
	if (error == 0 && (!entries[INACTIVE].found || !entries[ACTIVE].found))
		error = -EINVAL;
	if (error != 0 && error != -ENOENT)
		doubt(reading, error);
	return error == 0;
}

static uint64_t cache_of(const struct entry entries[NENTRIES])
{
	uint64_t sum;

	return __builtin_add_overflow(entries[INACTIVE].value, entries[ACTIVE].value, &sum) ? 0 : sum;
}

/* Hold a limit against the use that a file tells, if it is one. known: the entries are. */
static void hold(struct reading *reading, uint64_t limit, const char *usage, const struct entry entries[NENTRIES], bool known)
{
	struct fl_headroom *headroom = reading->headroom;
	uint64_t used;

	if (limit >= FL_UNLIMITED)
		return;
	headroom->limited = true;
	if (!read_number(reading, usage, &used) ||
	    !apply(headroom, limit, used, known ? cache_of(entries) : 0, FALLOW_REASON_MEMORY_CGROUP))
		return;
	headroom->group = reading->folder;
	headroom->refaulted = entries[REFAULT].value * fl_os_page_size();
}

static void read_unified(struct reading *reading)
{
	struct entry entries[NENTRIES];
	uint64_t max, high, limit = FL_UNLIMITED;

	if (read_number(reading, "memory.max", &max))
		limit = fl_min(limit, max);
	if (read_number(reading, "memory.high", &high))
		limit = fl_min(limit, high);
	if (limit >= FL_UNLIMITED)
		return;
	bool known = read_stat(reading, true, entries);
	hold(reading, limit, "memory.current", entries, known);
}

/* own: the process's own group, which knows limits above that cannot be seen. False: there is no limit here and above. */
static bool read_version_1(struct reading *reading, bool own)
{
	struct entry entries[NENTRIES];
	uint64_t limit = FL_UNLIMITED, swap_limit = FL_UNLIMITED, value;

	bool known = read_stat(reading, false, entries);
	if (own && known && entries[LIMIT].found) {
		limit = entries[LIMIT].value;
		if (entries[SWAP_LIMIT].found)
			swap_limit = entries[SWAP_LIMIT].value;
		if (limit >= FL_UNLIMITED && swap_limit >= FL_UNLIMITED)
			return false;
	}
	if (read_number(reading, "memory.limit_in_bytes", &value))
		limit = fl_min(limit, value);
	if (read_number(reading, "memory.memsw.limit_in_bytes", &value))
		swap_limit = fl_min(swap_limit, value);
	hold(reading, limit, "memory.usage_in_bytes", entries, known);
	hold(reading, swap_limit, "memory.memsw.usage_in_bytes", entries, known);
	return true;
}

/* The group's own limits and those of all above. */
static void read_groups(struct reading *reading, const struct fl_cgroup *group)
{
	size_t length = strlen(group->path);
	bool own = true;

	memcpy(reading->path, group->path, length + 1);
	for (;;) {
		reading->folder = length;
		if (group->unified)
			read_unified(reading);
		else if (!read_version_1(reading, own))
			return;
		own = false;
		if (length <= group->top)
			return;
		do
			length--;
		while (length > group->top && reading->path[length] != '/');
	}
}

static void read_system(const char *root, struct reading *reading)
{
	struct entry entries[] = { { .name = "MemTotal:" }, { .name = "MemAvailable:" }, { .name = "SwapFree:" } };

	fl_format(reading->path, sizeof(reading->path), "%s/proc/meminfo", root);
	int error = read_entries(reading, entries, FL_LENGTH(entries));
	if (error == 0 && (!entries[0].found || !entries[1].found))
		error = -EINVAL;
	if (error != 0) {
		if (error != -ENOENT)
			doubt(reading, error);
		return;
	}
	uint64_t total = fl_min(entries[0].value, FL_UNLIMITED / FL_KIB) * FL_KIB;
	uint64_t swap = fl_min(entries[2].value, FL_UNLIMITED / FL_KIB) * FL_KIB;
	uint64_t available = fl_min(entries[1].value, FL_UNLIMITED / FL_KIB) * FL_KIB;
	if (!apply(reading->headroom, total + swap, total - fl_min(available, total), 0, FALLOW_REASON_SYSTEM_MEMORY))
		return;
	reading->headroom->group = 0;
	reading->headroom->refaulted = 0;
}

void fl_headroom_read(const char *root, struct fl_lines *lines, const struct fl_cgroup *group,
		      struct fl_headroom *headroom)
{
	struct reading reading = { .lines = lines, .headroom = headroom };

	*headroom = (struct fl_headroom){ .room = UINT64_MAX, .hard = UINT64_MAX, .limit = UINT64_MAX,
					  .reason = FALLOW_REASON_SYSTEM_MEMORY };
	if (group != NULL)
		read_groups(&reading, group);
	read_system(root, &reading);
}

uint64_t fl_headroom_resident(const char *root, struct fl_lines *lines)
{
	char path[PATH_LENGTH];
	uint64_t resident = 0, shared = 0;

	fl_format(path, sizeof(path), "%s/proc/thread-self/statm", root);
	if (fl_lines_open(lines, path) != 0)
		return 0;
	const char *at = fl_lines_next(lines);
	fl_lines_close(lines);
	/* "size resident shared ...", in pages */
	at = at ? strchr(at, ' ') : NULL;
	at = at ? fl_parse_number(at + 1, &resident) : NULL;
	at = at && *at == ' ' ? fl_parse_number(at + 1, &shared) : NULL;
	return at && resident > shared ? (resident - shared) * fl_os_page_size() : 0;
}
