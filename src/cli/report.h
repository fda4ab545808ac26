/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fallow doctor has found: a list of verdicts, written as lines or as JSON.
 */
#ifndef FL_CLI_REPORT_H
#define FL_CLI_REPORT_H

#include <stddef.h>
#include <stdio.h>

enum fl_verdict {
	FL_OK,
	FL_NOTE,    /* works, but a user should know */
	FL_PROBLEM, /* something cannot be had */
};

struct fl_finding {
	enum fl_verdict verdict;
	const char *subject; /* "thp.enabled": for scripts */
	char *text;          /* malloc's */
	char *change;        /* what would mend it, malloc's; or NULL */
};

struct fl_report {
	struct fl_finding *findings;
	size_t n;
};

/* Begin and end one, whose findings fl_report_destroy() frees. */
#define FL_REPORT_INIT { NULL, 0 }
void fl_report_destroy(struct fl_report *report);

/* Add what was found; subject stays the caller's. Ends the process when there is no memory. */
__attribute__((format(printf, 4, 5))) void fl_report_add(struct fl_report *report, enum fl_verdict verdict,
							 const char *subject, const char *format, ...);

/* Say what to change about what was added last. */
__attribute__((format(printf, 2, 3))) void fl_report_advise(struct fl_report *report, const char *format, ...);

/* The worst of all verdicts. */
enum fl_verdict fl_report_verdict(const struct fl_report *report);

void fl_report_write_text(const struct fl_report *report, FILE *stream);
void fl_report_write_json(const struct fl_report *report, FILE *stream);

#endif
