/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the memory of a process's regions is: what fallow has done with it, and what the kernel holds of it.
 *
 * fallow knows by granules what is taken; the kernel, by pages, what is resident and what of that is a huge page. Both
 * are read while the process goes on.
 */
#ifndef FL_CLI_RESIDENCY_H
#define FL_CLI_RESIDENCY_H

#include "cli/live.h"

enum fl_state {
	FL_USED,       /* taken and resident */
	FL_USED_HUGE,  /* the same, in huge pages */
	FL_SPILLED,    /* the same, in ordinary memory for want of huge pages */
	FL_UNTOUCHED,  /* taken, and not resident yet */
	FL_IDLE,       /* free, and still resident */
	FL_IDLE_HUGE,  /* the same, in huge pages */
	FL_SWAPPED,
	FL_DISCARDED,  /* free, and not resident: given back, or never used; of maps, not populated */
	FL_NSTATES,
};

/* Bytes in each state. */
struct fl_mix {
	uint64_t bytes[FL_NSTATES];
};

struct fl_state_style {
	const char *text;      /* for a legend */
	const char *colour;    /* "#rrggbb" */
	unsigned int terminal; /* the like among a terminal's 256 */
	char letter;
};

extern const struct fl_state_style fl_state_styles[FL_NSTATES];

/*
 * Cut the first length bytes of what is mapped of a region, whole granules, into cells of cell bytes, a power of two of at
 * least a granule, the last of which may lie half beyond, and add up the states of each. False when the region is gone, or the whole
 * process.
 */
bool fl_residency_read(const struct fl_process *process, const struct fl_live_region *region, uint64_t length,
		       uint64_t cell, struct fl_mix *cells);

/* The state that most of a cell is in, of those that hold memory if any does; FL_NSTATES: it is empty. */
enum fl_state fl_mix_main(const struct fl_mix *mix);

/* Bytes that are in memory. */
uint64_t fl_mix_resident(const struct fl_mix *mix);

void fl_mix_add(struct fl_mix *sum, const struct fl_mix *more);

#endif
