/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Collecting findings and writing them out.
 */
#include "cli/report.h"

#include <stdarg.h>
#include <stdlib.h>

#include "cli/text.h"

static const char *const names[] = { "ok", "note", "problem" };

__attribute__((format(printf, 1, 0))) static char *print(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		abort();
	return text;
}

void fl_report_destroy(struct fl_report *report)
{
	for (size_t i = 0; i < report->n; i++) {
		free(report->findings[i].text);
		free(report->findings[i].change);
	}
	free(report->findings);
}

void fl_report_add(struct fl_report *report, enum fl_verdict verdict, const char *subject, const char *format, ...)
{
	struct fl_finding *findings = reallocarray(report->findings, report->n + 1, sizeof(*findings));
	va_list arguments;

	if (findings == NULL)
		abort();
	report->findings = findings;
	va_start(arguments, format);
	findings[report->n++] = (struct fl_finding){ verdict, subject, print(format, arguments), NULL };
	va_end(arguments);
}

void fl_report_advise(struct fl_report *report, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report->findings[report->n - 1].change = print(format, arguments);
	va_end(arguments);
}

enum fl_verdict fl_report_verdict(const struct fl_report *report)
{
	enum fl_verdict worst = FL_OK;

	for (size_t i = 0; i < report->n; i++)
		if (report->findings[i].verdict > worst)
			worst = report->findings[i].verdict;
	return worst;
}

void fl_report_write_text(const struct fl_report *report, FILE *stream)
{
	size_t counts[sizeof(names) / sizeof(names[0])] = { 0 };

	for (size_t i = 0; i < report->n; i++) {
		const struct fl_finding *finding = &report->findings[i];
		counts[finding->verdict]++;
		fprintf(stream, "%-8s %-20s %s\n", names[finding->verdict], finding->subject, finding->text);
		if (finding->change != NULL)
			fprintf(stream, "%29s to change it: %s\n", "", finding->change);
	}
	fprintf(stream, "%zu ok, %zu to note, %zu problem%s\n", counts[FL_OK], counts[FL_NOTE], counts[FL_PROBLEM],
		counts[FL_PROBLEM] == 1 ? "" : "s");
}

void fl_report_write_json(const struct fl_report *report, FILE *stream)
{
	fprintf(stream, "{\"verdict\":\"%s\",\"findings\":[", names[fl_report_verdict(report)]);
	for (size_t i = 0; i < report->n; i++) {
		const struct fl_finding *finding = &report->findings[i];
		fprintf(stream, "%s\n{\"verdict\":\"%s\",\"subject\":\"%s\",\"text\":", i == 0 ? "" : ",",
			names[finding->verdict], finding->subject);
		fl_json_write_string(finding->text, stream);
		if (finding->change != NULL) {
			fputs(",\"change\":", stream);
			fl_json_write_string(finding->change, stream);
		}
		fputc('}', stream);
	}
	fputs("]}\n", stream);
}
