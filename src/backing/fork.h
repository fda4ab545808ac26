/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forking with private huge pages: neither parent nor child dies of what the pool does not have.
 *
 * After a fork the two share private pages, and who writes first needs another. Of ordinary memory there is more; the pool
 * may be empty, and then the writer dies of SIGBUS. So before the child is made, with nobody sharing anything yet, the
 * pool is asked whether it could cover all private huge pages once more. If not, ordinary memory takes their place
 * (backing.h), or fork is refused.
 *
 *     fork() ---> fl_fork_admit ---> libc ---> prepare handler ---> clone ---> parent's, child's handler
 *                 spills, or refuses            spills what came since          populates that met the fork spill
 *
 * Guarantees. A child that is made finds no private huge page that the pool could not cover at that time, but where
 * fork cannot be refused: the prepare handler has no way to, and says so on stderr. Nothing is held while the child is made:
 * what is populated meanwhile, by other threads or by handlers of the program's, is spilled by who does.
 *
 * Not done: keeping the pool as it was found. Parent and child leave each other's cover alone, but other programs that empty
 * the pool while a child shares its parent's pages make them die; FALLOW_FORK_COPY is there for those who share a pool.
 */
#ifndef FL_BACKING_FORK_H
#define FL_BACKING_FORK_H

#include "backing/backing.h"

/* Whoever has private huge pages: a region or a map. */
struct fl_fork_holder {
	struct fl_fork_holder *next;
	struct fl_backing *backing;

	/* How many pages are there, at most. */
	size_t (*count)(struct fl_fork_holder *holder);

	/* The first run at or above *base in which pages may be. False: there is none. */
	bool (*find)(struct fl_fork_holder *holder, uintptr_t *base, size_t *length);

	/* Give idle pages back; may be NULL. */
	void (*purge)(struct fl_fork_holder *holder);

	/* Let nobody else populate or discard until release. 0, or -EBUSY when that cannot be had soon. */
	int (*hold)(struct fl_fork_holder *holder);
	void (*release)(struct fl_fork_holder *holder);
};

/* Register the handlers, once. May allocate. */
void fl_fork_start(void);

/* Not for backings that are shared, or not huge. Until removed the holder must answer. */
void fl_fork_add(struct fl_fork_holder *holder);
void fl_fork_remove(struct fl_fork_holder *holder);

/* Before libc's fork: 0, or -ENOMEM with the failure kept: there must be no child. */
int fl_fork_admit(void);

/*
 * While children share pages that the pool covers, it must go on to do so. False: bringing in length bytes would take of
 * what they may need; the pool counts as empty. Called before a populate of a backing, for nothing else's sake.
 */
bool fl_fork_leaves_cover(const struct fl_backing *b, size_t length);

/*
 * Pages that come in while a child is made may be shared with it, or not. So whoever populates watches, and afterwards
 * settles: if a fork has come between, the new pages, which nobody uses yet, are spilled. Not NONE: that failed.
 */
uint64_t fl_fork_watch(void);
struct fl_failure fl_fork_settle(struct fl_backing *b, uint64_t watch, void *address, size_t length);

/* A thread of our own has started, or ended, that touches no memory of the program's. */
void fl_fork_count_own_thread(int difference);

#endif
