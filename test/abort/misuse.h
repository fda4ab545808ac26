/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mistakes that end the process by SIGABRT after exactly one line on stderr: which call it was, the address, what is wrong.
 *
 * Each runs in a child of its own. It tells the address over a pipe, then commits the mistake.
 */
#ifndef FALLOW_TEST_MISUSE_H
#define FALLOW_TEST_MISUSE_H

#include <stddef.h>

struct misuse {
	const char *name;
	void (*commit)(void);
	const char *call;
	const char *kind;
};

/* Where the mistake will be. Returns the address. */
void *misuse_tell(void *address);

/* What is found in every build. */
extern const struct misuse wrong_frees[];
extern const size_t nwrong_frees;

/* Commit these and more. Returns what main does. */
int misuse_run(const struct misuse *more, size_t nmore);

#endif
