/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an outside reader, such as fallow-stat(1) or a debugger with a core dump, finds in a process on fallow.
 *
 * There is one record, in the library's data. It leads to what the library keeps anyway, so that being read costs the
 * process nothing, and it says where each field of that lies: readers need neither debugging symbols nor the
 * library's own version.
 *
 * To find it, look for FALLOW_LIVE_MAGIC at multiples of FALLOW_LIVE_ALIGNMENT in the data segments of the process's files
 * (/proc/PID/maps), and believe it where self is the place itself and started_ms is not 0. A process that links one
 * library and has the other preloaded has two, of which one is started.
 *
 * To read it, copy memory by /proc/PID/mem or process_vm_readv(2), which takes the rights of ptrace(2) and stops nobody.
 * Fields are aligned words that change as a whole, each at its own time. What may go away while it is read has something
 * that tells: a slot's version, an arena's serial. Read that, what it leads to, and that again.
 */
#ifndef FALLOW_LIVE_H
#define FALLOW_LIVE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FALLOW_LIVE_MAGIC "fallow live page" /* 16 bytes, without the terminator */
#define FALLOW_LIVE_ALIGNMENT 64

/* Changes when a reader would misunderstand. Fields that are added do not change it: those that a reader misses it does without. */
#define FALLOW_LIVE_VERSION 1

/* One field, or, with a name without a dot, one element as a whole, at offset 0. */
struct fallow_live_field {
	char name[24]; /* such as "region.base", terminated */
	uint32_t offset;
	uint32_t size; /* bytes */
};

/* Pointers are addresses in the process. */
struct fallow_live {
	char magic[16];
	const struct fallow_live *self;
	uint32_t version;
	uint32_t size;                          /* of this struct */
	uint64_t started_ms;                    /* CLOCK_MONOTONIC when the heap was made; 0: it is not */
	const struct fallow_live_field *fields;
	uint64_t nfields;
	uint64_t granule;                       /* bytes: what extents are made of */
	uint64_t unit_granules;                 /* granules that one element of a region's units describes, a bit each */
	const void *slots;                      /* of regions: "slot", in use where slot.region is not 0, its version even */
	const void *nslots;                     /* a word: how many to look at */
	const void *arenas;                     /* words: addresses of arenas, or 0 */
	const void *narenas;                    /* a word: how many to look at */
	const void *failures;                   /* "failure": number n in element (n - 1) % nfailure_slots, with version 2n */
	uint64_t nfailure_slots;
	const void *nfailures;                  /* a word: failures so far */
	const void *metadata;                   /* a word: bytes of fallow's own data */
	const void *ncaches;                    /* a word: per-thread caches */
	const void *caches;                     /* words: addresses of caches, or 0, by the id in the top 16 bits of a map's word */
	const void *classes;                    /* "class": sizes of slots */
	uint64_t nclasses;
	const void *reasons;                    /* words: addresses of texts, by failure.reason */
	uint64_t nreasons;
	const void *maps;                       /* a word: the address of the first "map", each of which has map.next; 0 ends */
	const void *maps_version;               /* a word: odd while that list changes, and another afterwards */
};

/*
 * Who wants to look at the very moment when something happens, such as fallow-record(1), shares this struct with one process:
 * it lies in a file whose path the process finds in its environment, in FALLOW_RECORDER, when its heap is made. Nothing
 * of it is on a path that is taken often.
 *
 * At a moment that is wanted, the thread that clears its bit in wanted sets it in pending, counts asked up, wakes who
 * waits for that word by futex(2), and waits until answered has come as far, or FALLOW_RECORDER_PATIENCE_MS have passed.
 */
#define FALLOW_RECORDER_MAGIC "fallow recorder " /* 16 bytes, without the terminator */
#define FALLOW_RECORDER_VARIABLE "FALLOW_RECORDER"
#define FALLOW_RECORDER_PATIENCE_MS 200

enum fallow_moment {
	FALLOW_MOMENT_START = 1,   /* the heap is made, and nothing allocated yet */
	FALLOW_MOMENT_FAILURE = 2, /* a request was refused, and the thread has not been told yet */
	FALLOW_MOMENT_END = 4,     /* the process ends by exit(3) or by a return from main */
};

struct fallow_recorder {
	char magic[16];
	uint32_t pid;        /* of the one process that is meant, not of its children */
	uint32_t wanted;     /* moments; set by the recorder */
	uint32_t pending;    /* moments; taken out by the recorder */
	uint32_t asked;      /* futex */
	uint32_t answered;   /* futex; set by the recorder to what asked was before it looked */
	uint32_t reserved;
	uint64_t failure;    /* number of the failure whose moment this is */
};

#ifdef __cplusplus
}
#endif

#endif
