/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option table: one row an option drives the parser, the public get and set, and the manuals.
 *
 * Values are read from the machine-wide file, then from FALLOW_CONF, once, before the process heap is made. Later
 * changes go through fallow_option_set(). Reading is plain loads; the few that may change late are atomic words.
 */
#ifndef FL_DIAG_OPTIONS_H
#define FL_DIAG_OPTIONS_H

#include <fallow/options.h>

#include "base/base.h"

/* The option decay:never. */
#define FL_DECAY_NEVER UINT64_MAX

enum fl_option_populate {
	FL_OPTION_POPULATE_AUTO,
	FL_OPTION_POPULATE_STRICT,
	FL_OPTION_POPULATE_LAZY,
};

/* All values are stored as uint64_t so that one table row can point at any of them. */
struct fl_options {
	uint64_t backing;   /* enum fallow_backing: ANON or HUGETLB */
	uint64_t pagesize;  /* bytes, 0: default */
	uint64_t spill;     /* enum fallow_spill */
	uint64_t populate;  /* enum fl_option_populate */
	uint64_t limit;     /* bytes, 0: none */
	uint64_t decay;     /* milliseconds, FL_DECAY_NEVER */
	uint64_t thp;       /* enum fallow_thp */
	uint64_t fork;      /* enum fallow_fork */
	uint64_t hardened;  /* 1: true */
	uint64_t stats;     /* 1: at exit */
};

extern struct fl_options fl_options;

/* Read file and environment. environment is the program's environ. */
void fl_options_start(char **environment);

/* From now on options that shape the process heap answer -EBUSY. */
void fl_options_seal(void);

#endif
