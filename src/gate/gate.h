/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: whether memory that is about to be brought in fits below the limits at which the kernel kills.
 *
 *     room   | open: take a lease, read nothing while it lasts | narrow: each by itself, proven | shut: floor |
 *            0                                       limit - margin                   limit - floor         limit
 *
 * Far from every limit a lease is taken: a share of the headroom that is spent without reading anything, for a short time,
 * since others use memory, and limits change. Within the margin every request is looked at by itself, one at a time, and
 * memory should come in by a path that fails where others kill (fl_backing_prove). The floor is never handed out: page
 * tables, stacks and the program's code come from it; and right above it only small blocks get something, so that a program
 * that was refused a large one can say so. Memory that was handed out to be touched later counts as if it had been touched,
 * wherever a memory cgroup has a limit.
 *
 * The gate's lock guards all but the lease, which is a pair of atomic words. A process begins with a small lease that is
 * taken without looking, so that short programs do not pay for a reading.
 */
#ifndef FL_GATE_GATE_H
#define FL_GATE_GATE_H

#include "diag/failure.h"
#include "os/os.h"

struct fl_gate_lease {
	int64_t left;   /* bytes */
	uint64_t until; /* milliseconds */
};

extern struct fl_gate_lease fl_gate_lease;

/* True when the lease has room for nbytes more, which are then spent. Otherwise ask fl_gate_enter(). */
static inline bool fl_gate_spend(size_t nbytes)
{
	int64_t wanted = nbytes < INT64_MAX ? (int64_t)nbytes : INT64_MAX;
	int64_t left = __atomic_load_n(&fl_gate_lease.left, __ATOMIC_RELAXED);

	if (fl_unlikely(fl_os_clock_ms() > __atomic_load_n(&fl_gate_lease.until, __ATOMIC_RELAXED)))
		return false;
	/* Subtracted without another look, threads that spend at the same time would overdraw it by a request each. */
	do {
		if (fl_unlikely(wanted > left))
			return false;
	} while (!__atomic_compare_exchange_n(&fl_gate_lease.left, &left, left - wanted, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

struct fl_gate_request {
	size_t nbytes;  /* that will come in as things are */
	size_t least;   /* bytes that must, where huge pages are done without */
	size_t counted; /* bytes of it that count tells already as to be touched */
	bool vital;     /* for small blocks: down to the floor */
	/* Adds up bytes that were handed out to be touched later, in *lazy, and that were brought in, in *strict. */
	void (*count)(uint64_t *lazy, uint64_t *strict);
};

enum fl_gate_answer {
	FL_GATE_OPEN,   /* bring it in as usual */
	FL_GATE_NARROW, /* bring it in with proof; the gate's lock is held until fl_gate_leave() */
	FL_GATE_SHUT,   /* refuse, with the failure's reason */
};

/* Without locks of a higher rank. *failure is written where the gate is shut. */
enum fl_gate_answer fl_gate_enter(const struct fl_gate_request *request, struct fl_failure *failure);
void fl_gate_leave(void);

/* These are for whoever holds the gate's lock. */

/* nbytes have come in. */
void fl_gate_took(size_t nbytes);

/* Read again: nbytes fit. */
bool fl_gate_fits(const struct fl_gate_request *request, size_t nbytes);

/* Proof of nbytes failed by error: may they come in without? After -EBUSY page cache is taken for what cannot be had. */
bool fl_gate_lets_unproven(const struct fl_gate_request *request, size_t nbytes, int error);

/* The failure to report, by the limit that is nearest; error as the kernel gave it, or 0. */
struct fl_failure fl_gate_failure(int error);

/* Bytes that can still be had, as read last; for reports. */
uint64_t fl_gate_room(void);

/* Whether a memory cgroup has set a limit, as far as known: what is strict comes in with proof then. */
bool fl_gate_is_limited(void);

/* Whether the last reading was in the margin of a limit: idle memory is better given back soon. */
bool fl_gate_is_narrow(void);

/* In a child of fork: its lease is its own, and small. */
void fl_gate_fork_child(void);

#endif
