/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Failing system calls by count, and what a process holds before and after.
 *
 * A fault is armed for the n-th call from now on of one kind, or of any kind, once or from then on for good; each kind of
 * call fails as the kernel would have it fail. Calls are counted whether or not one fails. Only calls of the thread that arms
 * count: the library's own thread is left alone.
 */
#ifndef TEST_FAULT_INJECT_H
#define TEST_FAULT_INJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "os/os.h"

#define INJECT_ANY FL_OS_NCALLS

struct fault {
	enum fl_os_call kind;  /* or INJECT_ANY */
	unsigned long nth;     /* 1: the next */
	bool for_good;
};

/* Before the library's first thread. */
void inject_prepare(void);

/* From now on. Counting starts anew. */
void inject(struct fault fault);

/* No fault any more; returns how many calls of the armed kind there were. */
unsigned long inject_end(void);

/* Whether a call was made to fail with this -errno since the fault was armed. */
bool inject_struck(int error);

/* Whether any munmap was among those that were made to fail. */
bool inject_struck_munmap(void);

/* What a process holds that an allocator could leak. */
struct holdings {
	size_t mapped;      /* bytes of mappings where claims lie */
	size_t metadata;    /* bytes mapped for metadata, objects' chunks included */
	int nfds;
	unsigned long nregions;
};

struct holdings holdings_now(void);

#endif
