/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow pool mount and umount: a hugetlbfs on a directory, and away again.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/hugepages.h"
#include "cli/pool.h"
#include "cli/text.h"

struct request {
	const char *directory;
	uint64_t page_size; /* 0: the default */
	uint64_t limit;     /* bytes, 0: none */
	uid_t uid;
	gid_t gid;
	unsigned int mode;
};

static bool parse_user(const char *text, uid_t *uid)
{
	uint64_t number;
	const struct passwd *user = getpwnam(text);

	if (user == NULL && (!fl_number_parse(text, &number) || number >= (uid_t)-1))
		return false;
	*uid = user != NULL ? user->pw_uid : (uid_t)number;
	return true;
}

static bool parse_group(const char *text, gid_t *gid)
{
	uint64_t number;
	const struct group *group = getgrnam(text);

	if (group == NULL && (!fl_number_parse(text, &number) || number >= (gid_t)-1))
		return false;
	*gid = group != NULL ? group->gr_gid : (gid_t)number;
	return true;
}

static void parse_owner(char *text, struct request *request, struct argp_state *state)
{
	char *colon = strchr(text, ':');

	if (colon != NULL)
		*colon = '\0';
	if (!parse_user(text, &request->uid))
		argp_error(state, "--owner: no user '%s'; a name or number is allowed", text);
	if (colon != NULL && !parse_group(colon + 1, &request->gid))
		argp_error(state, "--owner: no group '%s'; a name or number is allowed", colon + 1);
}

static void parse_mode(const char *text, struct request *request, struct argp_state *state)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (*text < '0' || *text > '7' || *end != '\0' || mode > 07777)
		argp_error(state, "--mode=%s: bad mode '%s'; octal numbers to 7777 are allowed", text, text);
	request->mode = (unsigned int)mode;
}

/* What mount and umount have in common: one directory. */
static error_t parse_directory(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (request->directory != NULL)
			argp_error(state, "'%s' is one too many: one directory is allowed", argument);
		request->directory = argument;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no directory given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_mount(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case 's':
		request->page_size = fl_pool_parse_size(argument, state);
		return 0;
	case 'l':
		if (!fl_size_parse(argument, &request->limit) || request->limit == 0)
			argp_error(state, "--limit=%s: bad size '%s'; such as 512M or 4G is allowed", argument, argument);
		return 0;
	case 'o':
		parse_owner(argument, request, state);
		return 0;
	case 'm':
		parse_mode(argument, request, state);
		return 0;
	default:
		return parse_directory(key, argument, state);
	}
}

static void explain_mount(const char *name, const struct request *request, int error)
{
	fprintf(stderr, "%s: %s: %s", name, request->directory, strerror(error));
	if (error == EPERM || error == EACCES)
		fputs("; mounting a hugetlbfs takes root, outside of user namespaces", stderr);
	else if (error == ENODEV)
		fputs("; this kernel has no hugetlbfs", stderr);
	else if (error == ENOTDIR)
		fputs("; it takes a directory", stderr);
	fputc('\n', stderr);
}

/* A size that is no multiple of the page size the kernel cuts silently. */
static bool is_whole(const struct request *request, const char *name)
{
	char size[FL_SIZE_LENGTH];

	if (request->limit % request->page_size == 0)
		return true;
	fprintf(stderr, "%s: the limit is no multiple of the page size, %s\n", name,
		fl_size_print(request->page_size, size));
	return false;
}

static int make_mount(const struct request *request, const char *name)
{
	char options[160];
	bool made = mkdir(request->directory, 0755) == 0;
	int used = snprintf(options, sizeof(options), "pagesize=%llu,uid=%u,gid=%u,mode=%o",
			    (unsigned long long)request->page_size, request->uid, request->gid, request->mode);

	if (request->limit != 0)
		snprintf(options + used, sizeof(options) - (size_t)used, ",size=%llu", (unsigned long long)request->limit);
	if (mount("hugetlbfs", request->directory, "hugetlbfs", MS_NOSUID | MS_NODEV, options) == 0)
		return FL_STATUS_OK;
	explain_mount(name, request, errno);
	if (made)
		rmdir(request->directory);
	return FL_STATUS_NO;
}

int fl_pool_mount(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "size", 's', "SIZE", 0, "of the pages, such as 2M or 1G; else the system's default", 0 },
		{ "limit", 'l', "SIZE", 0, "most memory in its files, such as 512M; else the pool is the limit", 0 },
		{ "owner", 'o', "USER[:GROUP]", 0, "who owns it; else you", 0 },
		{ "mode", 'm', "OCTAL", 0, "who else may make files in it; else 0755: nobody", 0 },
		{ 0 }
	};
	static const struct argp argp = { options, parse_mount, "DIRECTORY",
					  "Mount a hugetlbfs on a directory, which is made when it is not there.", NULL, NULL,
					  NULL };
	struct request request = { .uid = getuid(), .gid = getgid(), .mode = 0755 };

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &request);
	if (request.page_size == 0)
		request.page_size = fl_pool_default_size(argv[0]);
	return is_whole(&request, argv[0]) ? make_mount(&request, argv[0]) : FL_STATUS_USAGE;
}

int fl_pool_umount(int argc, char **argv)
{
	static const struct argp argp = { NULL, parse_directory, "DIRECTORY",
					  "Take the hugetlbfs on a directory away; the directory stays.", NULL, NULL, NULL };
	struct request request = { 0 };
	struct fl_hugetlbfs mount;

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &request);
	if (!fl_hugetlbfs_at(request.directory, &mount)) {
		fprintf(stderr, "%s: no hugetlbfs is mounted on %s; fallow pool show says where they are\n", argv[0],
			request.directory);
		return FL_STATUS_NO;
	}
	if (umount2(mount.directory, UMOUNT_NOFOLLOW) == 0)
		return FL_STATUS_OK;
	int error = errno;
	fprintf(stderr, "%s: %s: %s%s\n", argv[0], mount.directory, strerror(error),
		error == EBUSY ? "; files in it are open or mapped: fuser -vm names by whom" :
		error == EPERM ? "; this takes root" : "");
	return FL_STATUS_NO;
}
