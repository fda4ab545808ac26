/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backing in a place of its own where it is finite, for tests of promises that hold on many of them.
 */
#ifndef TEST_KERNEL_BACKINGS_H
#define TEST_KERNEL_BACKINGS_H

#include <fallow/arena.h>
#include <fallow/stats.h>

#include "test/kernel/hoard.h"
#include "test/lib/place.h"

struct backing {
	const char *name;
	struct place place;
	enum fallow_backing backing; /* these four: of the arena's options */
	enum fallow_share share;
	size_t page_size;
	size_t limit;
	const char *directory;       /* where the arena's file is made; NULL: none */
	enum fallow_reason reason;   /* what it says when it has no more */
	long long (*there)(const struct backing *backing); /* bytes it still has, as the kernel tells it */
	long long slack;             /* bytes that need not come back: kept by the filesystem, or metadata */
	bool back_with_arena;        /* what comes back does so with fallow_arena_destroy(), not with _trim() */
	bool others_take;            /* others may take some meanwhile: up to five attempts */
};

/* Values for there. */
long long backing_pool(const struct backing *backing);       /* free huge pages of 2 MiB */
long long backing_filesystem(const struct backing *backing); /* free blocks of the filesystem at directory */
long long backing_limit(const struct backing *backing);      /* the arena's limit */
long long backing_mappable(const struct backing *backing);   /* private memory that mmap gives */
long long backing_committable(const struct backing *backing); /* what may still be committed */
long long backing_resident(const struct backing *backing);   /* less than nothing: what this process has */
long long backing_memfds(const struct backing *backing);     /* less than nothing: what its memfds have */

/* On 4 huge pages: anonymous, memfd, hugetlbfs shared and private. On 8 MiB: tmpfs shared and private. ext4 of 16 MiB. */
#define NFINITE 7
extern const struct backing finite_backings[NFINITE];

/* Ordinary memory and a memfd of it, in no particular place. */
#define NENDLESS 2
extern const struct backing endless_backings[NENDLESS];

/* A file made anew in a directory, which the caller closes; -1 for none where there is no directory. */
int backing_file(const char *directory);

/* Options for an arena on it, with its file open as fd (the caller closes it) where it has one. */
struct fallow_arena_options backing_options(const struct backing *backing);

/* An arena for hoards. */
struct heap arena_heap(struct fallow_arena *arena);

/* Run a cmocka test for each of some backings, whose state is the backing; main's exit status. */
#define BACKINGS_MAX 16
int backings_main(const char *name, const struct backing *some, size_t nsome, void (*test)(void **state));

#endif
