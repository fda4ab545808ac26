/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the memory cgroup. The formats are those of cgroups(7) and proc(5).
 */
#include "gate/cgroup.h"

#include <errno.h>
#include <string.h>

#include "base/format.h"

#define PATH_LENGTH (FL_CGROUP_LENGTH + 64)

/* Whether a list separated by commas has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += length) {
		bool begins = at == list || at[-1] == ',';
		if (begins && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/* Take text up to the separator, or all of it, off *rest. NULL when nothing is left. */
static char *take_field(char **rest, char separator)
{
	char *field = *rest;

	if (field == NULL)
		return NULL;
	char *end = strchr(field, separator);
	if (end != NULL)
		*end++ = '\0';
	*rest = end;
	return field;
}

/* A line "number:controllers:group"; unified: that of version 2, without controllers. */
static bool names_group(char *line, bool *unified, char **name)
{
	char *rest = line;
	char *number = take_field(&rest, ':');
	char *controllers = take_field(&rest, ':');

	if (controllers == NULL || rest == NULL || *rest != '/')
		return false;
	*name = rest;
	*unified = strcmp(number, "0") == 0 && *controllers == '\0';
	return *unified || has_word(controllers, "memory");
}

static int find_name(const char *root, struct fl_lines *lines, struct fl_cgroup *group)
{
	char path[PATH_LENGTH];
	bool found = false;

	fl_format(path, sizeof(path), "%s/proc/thread-self/cgroup", root);
	int result = fl_lines_open(lines, path);
	if (result != 0)
		return result;
	for (char *line; (line = fl_lines_next(lines)) != NULL;) {
		bool unified;
		char *name;
		/* Version 1 comes first if it has the controller. */
		if (!names_group(line, &unified, &name) || (found && unified))
			continue;
		if (strlen(name) >= sizeof(group->name)) {
			fl_lines_close(lines);
			return -ENAMETOOLONG;
		}
		memcpy(group->name, name, strlen(name) + 1);
		group->unified = unified;
		found = true;
		if (!unified)
			break;
	}
	fl_lines_close(lines);
	if (lines->error != 0)
		return lines->error;
	return found ? 0 : -ENOENT;
}

struct mount {
	char *root;  /* the group that is its top */
	char *point; /* where it is mounted */
	char *type;
	char *options;
};

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* A line "id parent major:minor root point options optional... - type source options". */
static bool parse_mount(char *line, struct mount *mount)
{
	char *tail = strstr(line, " - ");
	char *rest = line;

	if (tail == NULL)
		return false;
	*tail = '\0';
	tail += 3;
	for (int i = 0; i < 3; i++)
		take_field(&rest, ' ');
	mount->root = take_field(&rest, ' ');
	mount->point = take_field(&rest, ' ');
	mount->type = take_field(&tail, ' ');
	take_field(&tail, ' ');
	mount->options = take_field(&tail, ' ');
	if (mount->point == NULL || mount->options == NULL)
		return false;
	unescape(mount->root);
	unescape(mount->point);
	return true;
}

static bool is_hierarchy(const struct mount *mount, bool unified)
{
	if (unified)
		return strcmp(mount->type, "cgroup2") == 0;
	return strcmp(mount->type, "cgroup") == 0 && has_word(mount->options, "memory");
}

/* The part of a group's name that lies below a mount's root; NULL when it does not lie there. */
static const char *below(const char *name, const char *root)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	/* A group outside of the namespace that is looked from. */
	if (strstr(name, "/..") != NULL)
		return NULL;
	if (strncmp(name, root, length) != 0 || (name[length] != '/' && name[length] != '\0'))
		return NULL;
	return strcmp(name + length, "/") == 0 ? "" : name + length;
}

/* The mount that shows most of the group's ancestors. */
static int find_path(const char *root, struct fl_lines *lines, struct fl_cgroup *group)
{
	char path[PATH_LENGTH];
	int best = -1; /* bytes of the name below the best mount's root */

	fl_format(path, sizeof(path), "%s/proc/thread-self/mountinfo", root);
	int result = fl_lines_open(lines, path);
	if (result != 0)
		return result;
	result = -ENOENT;
	for (char *line; (line = fl_lines_next(lines)) != NULL;) {
		struct mount mount;
		if (!parse_mount(line, &mount) || !is_hierarchy(&mount, group->unified))
			continue;
		const char *rest = below(group->name, mount.root);
		int length = rest ? (int)strlen(rest) : -1;
		if (result == 0 && length <= best)
			continue;
		size_t top = strlen(root) + strlen(mount.point);
		if (top + strlen(rest ? rest : "") >= sizeof(group->path)) {
			result = -ENAMETOOLONG;
			continue;
		}
		fl_format(group->path, sizeof(group->path), "%s%s%s", root, mount.point, rest ? rest : "");
		group->top = top;
		best = length;
		result = 0;
	}
	return lines->error != 0 ? lines->error : result;
}

int fl_cgroup_find(const char *root, struct fl_lines *lines, struct fl_cgroup *group)
{
	int result = find_name(root, lines, group);

	return result == 0 ? find_path(root, lines, group) : result;
}
