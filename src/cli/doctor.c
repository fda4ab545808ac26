/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fallow doctor: runs the checks that are asked for and writes what they found.
 */
#include "cli/doctor.h"

#include <stdbool.h>
#include <string.h>

#include "cli/cli.h"

static const struct check {
	const char *name;
	void (*run)(struct fl_report *report);
} checks[] = {
	{ "kernel", fl_doctor_kernel },
	{ "thp", fl_doctor_thp },
	{ "pools", fl_doctor_pools },
	{ "hugetlb-cgroup", fl_doctor_hugetlb_cgroup },
	{ "mounts", fl_doctor_mounts },
	{ "memory-cgroup", fl_doctor_memory_cgroup },
	{ "limits", fl_doctor_limits },
};

#define NCHECKS (sizeof(checks) / sizeof(checks[0]))
#define NAMES "kernel, thp, pools, hugetlb-cgroup, mounts, memory-cgroup, limits"

enum { KEY_JSON = FL_KEY_FIRST };

struct request {
	bool json;
	bool any;             /* some checks were named; else all are made */
	bool wanted[NCHECKS];
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case KEY_JSON:
		request->json = true;
		return 0;
	case ARGP_KEY_ARG:
		request->any = true;
		for (size_t i = 0; i < NCHECKS; i++) {
			if (strcmp(checks[i].name, argument) == 0) {
				request->wanted[i] = true;
				return 0;
			}
		}
		argp_error(state, "no check '%s'; there are: " NAMES, argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int fl_doctor(int argc, char **argv)
{
	static const struct argp_option options[] = { { "json", KEY_JSON, NULL, 0, "write JSON", 0 }, { 0 } };
	static const struct argp argp = { options, parse, "[CHECK...]",
					  "Say what this machine allows, and what stands in the way of huge pages: the checks "
					  "named, of " NAMES "; else all.\v"
					  "The exit status is 1 when there is a problem.", NULL, NULL, NULL };
	struct request request = { 0 };
	struct fl_report report = FL_REPORT_INIT;

	fl_parse(&argp, argc, argv, FL_STATUS_USAGE, &request);
	for (size_t i = 0; i < NCHECKS; i++)
		if (!request.any || request.wanted[i])
			checks[i].run(&report);
	if (request.json)
		fl_report_write_json(&report, stdout);
	else
		fl_report_write_text(&report, stdout);
	int status = fl_report_verdict(&report) == FL_PROBLEM ? FL_STATUS_NO : FL_STATUS_OK;
	fl_report_destroy(&report);
	return fflush(stdout) == 0 ? status : FL_STATUS_NO;
}
