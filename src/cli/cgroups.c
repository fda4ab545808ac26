/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the cgroup in /proc/self/cgroup and its directory in /proc/self/mountinfo; cgroups(7) has the formats.
 */
#include "cli/cgroups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

/* Whether a list separated by commas has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += length)
		if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* The group's name, of lines "number:controllers:name". Version 1's comes before version 2's. */
static bool find_name(const char *controller, bool *unified, char *name)
{
	FILE *groups = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (groups != NULL && getline(&line, &size, groups) > 0) {
		char *rest = line, *number = strsep(&rest, ":"), *controllers = strsep(&rest, ":");
		if (rest == NULL || strlen(rest) >= PATH_MAX)
			continue;
		rest[strcspn(rest, "\n")] = '\0';
		bool second = strcmp(number, "0") == 0 && *controllers == '\0';
		if (!has_word(controllers, controller) && (!second || found))
			continue;
		found = true;
		*unified = second;
		strcpy(name, rest);
		if (!second)
			break;
	}
	free(line);
	if (groups != NULL)
		fclose(groups);
	return found;
}

/* A mount, of lines "id parent major:minor root point options optional... - type source options". */
static bool is_hierarchy(char *line, const char *controller, bool unified, char **root, char **point)
{
	char *tail = strstr(line, " - "), *rest = line;

	if (tail == NULL)
		return false;
	*tail = '\0';
	tail += 3;
	for (int i = 0; i < 3; i++)
		strsep(&rest, " ");
	*root = strsep(&rest, " ");
	*point = strsep(&rest, " ");
	const char *type = strsep(&tail, " ");
	strsep(&tail, " ");
	if (*point == NULL || tail == NULL)
		return false;
	tail[strcspn(tail, "\n")] = '\0';
	return unified ? strcmp(type, "cgroup2") == 0 : strcmp(type, "cgroup") == 0 && has_word(tail, controller);
}

/* What of the name lies below a mount's root; NULL when it does not lie there. */
static const char *below(const char *name, const char *root)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strstr(name, "/..") != NULL || strncmp(name, root, length) != 0 ||
	    (name[length] != '/' && name[length] != '\0'))
		return NULL;
	return strcmp(name + length, "/") == 0 ? "" : name + length;
}

/* Of the mounts, the one that shows most of the groups above. */
static bool find_directory(const char *controller, const char *name, struct fl_group *group)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *root, *point;
	size_t size = 0;
	int best = -2; /* bytes below the mount's root; -1: not there */

	while (mounts != NULL && getline(&line, &size, mounts) > 0) {
		if (!is_hierarchy(line, controller, group->unified, &root, &point))
			continue;
		const char *rest = below(name, root);
		int length = rest != NULL ? (int)strlen(rest) : -1;
		if (length <= best || strlen(point) + strlen(name) >= sizeof(group->path))
			continue;
		best = length;
		group->top = strlen(point);
		snprintf(group->path, sizeof(group->path), "%s%s", point, rest != NULL ? rest : "");
	}
	free(line);
	if (mounts != NULL)
		fclose(mounts);
	return best > -2;
}

bool fl_group_find(const char *controller, struct fl_group *group)
{
	char name[PATH_MAX];

	return find_name(controller, &group->unified, name) && find_directory(controller, name, group);
}

bool fl_group_up(struct fl_group *group)
{
	if (strlen(group->path) <= group->top)
		return false;
	*strrchr(group->path, '/') = '\0';
	return true;
}

/* The path of one of the group's files, into path[PATH_MAX]. */
static bool join(const struct fl_group *group, const char *file, char *path)
{
	return snprintf(path, PATH_MAX, "%s/%s", group->path, file) < PATH_MAX;
}

bool fl_group_number(const struct fl_group *group, const char *file, uint64_t *number)
{
	char path[PATH_MAX], line[64];

	if (!join(group, file, path) || !fl_file_line(path, line, sizeof(line)))
		return false;
	*number = FL_CGROUP_UNLIMITED;
	return strcmp(line, "max") == 0 || fl_number_parse(line, number);
}

uint64_t fl_group_stat(const struct fl_group *group, const char *name)
{
	char path[PATH_MAX];
	uint64_t number = 0;

	return join(group, "memory.stat", path) && fl_file_field(path, name, &number) ? number : 0;
}
