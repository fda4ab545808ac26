/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots inside: the pages that had content at the instant are pending until somebody has copied them.
 *
 *     take:    hold all ranges - stop at missing pages - find what has content - protect that: the instant
 *     server:  a thread that answers faults. Protected and pending: copy the page aside, let the writer go on.
 *              Missing: it was a hole at the instant, so put a zero page there.
 *     copier:  a thread that writes what was copied aside, and between that copies pending pages in order
 *     settle:  who is about to populate or discard pages copies them aside first
 *
 * Nobody is let go on before all is protected. So a write that is over when the last protection is in place is in the
 * image, whichever page it went to, and one that comes later has waited until its page was copied; a thread whose writes
 * are ordered by another's sees to it that theirs are. The instant is that moment.
 *
 * A page is taken out of pending, under the lock, by the one who copies it; while the copying lasts its range is in the
 * list of copies, so that nobody lets writers go on before it is over. Failing and cancelling lift all protection at
 * once.
 *
 * A snapshot whose image belongs to a chain stays with its map after it: what nobody has written to remains protected, and
 * the server, which goes on, notes what it lets go (chain.h). The next image of the chain is taken with the same struct:
 *
 *     take:    hold all ranges - the server pauses - stop at missing pages again where populates have let them be -
 *              of what has content, find what is noted or new - protect that: the instant - the server goes on
 *
 * So there is no moment at which a write is not seen, as there would be between two userfaultfds: a mapping has one at
 * most, and is writable while it changes hands.
 *
 * The server reads no page but one that a thread is waiting to write to, by a system call: at a missing page it
 * would wait for itself.
 */
#ifndef FL_MAP_SNAPSHOT_H
#define FL_MAP_SNAPSHOT_H

#include <fallow/snapshot.h>
#include <pthread.h>

#include "map/aside.h"
#include "map/chain.h"
#include "map/descriptor.h"
#include "map/image.h"
#include "map/map.h"

/* Pages [first, end) that are being copied. */
struct fl_copy {
	size_t first;
	size_t end;
	size_t awaited;     /* pages [awaited, awaited_end) by those who want to write: who copies lets them, at once */
	size_t awaited_end;
	struct fl_copy *next;
};

struct fallow_snapshot {
	/* Fixed. */
	struct fallow_map *map;
	struct fl_descriptor userfault;
	struct fl_descriptor stop; /* an eventfd, readable when the threads are to end */
	pthread_t server;
	bool forked;               /* this is a child of fork: no threads */

	/* Fixed once an image is taken. */
	enum fallow_snapshot_kind kind;
	bool taken;     /* until it is waited for; changed with all of the map's ranges held */
	bool sync;
	size_t total;   /* pages */
	pthread_t copier;
	struct fl_descriptor image;

	/* The copier's. */
	bool closed;           /* the image, by its end */
	struct fl_image_out out;
	struct fl_image_header header; /* the next image's parent */
	unsigned char *run;    /* room for the pages that it copies at once */
	size_t run_pages;
	size_t cursor;         /* no page before it is pending */
	size_t released;       /* pages before it, of those that it copied, can be written to */

	struct fl_lock lock;
	struct fl_pageset pending;
	struct fl_chain chain;
	struct fl_copy *copies;
	struct fl_aside aside;
	uint64_t nwaits;
	int error;             /* the first: nothing is protected any more */
	int result;            /* of the image, once finished */
	bool started;          /* the threads may begin, the server may go on */
	bool serving;          /* the server is at work */
	bool copied;           /* the copier has copied all that it will */
	bool lifted;           /* all protection is, or is being: for good */
	bool finished;         /* nothing more is written, and without a chain nothing is protected */
	uint32_t nchanges;     /* a futex: of what threads wait for here */
	uint32_t nwaiting;     /* threads */
};

/* Whether an image of the map is being taken, and was not waited for yet. */
bool fl_snapshot_is_taken(const struct fallow_map *map);

/*
 * Pages [first, end), which the caller holds, are about to be populated, or discarded: on return they are copied, and not
 * protected. Does nothing without a snapshot or a chain.
 */
void fl_snapshot_before_populate(struct fallow_map *map, size_t first, size_t end);
void fl_snapshot_before_discard(struct fallow_map *map, size_t first, size_t end);

/*
 * The map's pages are about to be somebody else's to protect: where they are not a snapshot's any more, its threads are done
 * with what they had in hand, and let nothing go later. The kernel would not ask whose protection it takes away (6.18).
 */
void fl_snapshot_await_end(struct fallow_map *map);

/* The map, of which all ranges are held, has grown by pages [first, end): a chain watches them, too, or ends. */
void fl_snapshot_grown(struct fallow_map *map, size_t first, size_t end);

/* The map has no snapshot and no chain any more. All its ranges are held, or nobody uses it; no image is being taken. */
void fl_snapshot_destroy(struct fallow_map *map);

/* In a child of fork: the map has no snapshot any more. */
void fl_snapshot_leave_to_parent(struct fallow_map *map);

/* The threads: the argument is the snapshot. */
void *fl_snapshot_serve(void *snapshot);
void *fl_snapshot_copy(void *snapshot);

/* Let the threads begin or go on; have the server pause; or end them with the error. */
void fl_snapshot_start(struct fallow_snapshot *snapshot);
void fl_snapshot_pause(struct fallow_snapshot *snapshot);
void fl_snapshot_fail(struct fallow_snapshot *snapshot, int error);

#endif
