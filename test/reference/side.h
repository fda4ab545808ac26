/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two sides of a comparison: whoever hands out extents, whole granules of 32 KiB, of memory of its own.
 */
#ifndef TEST_REFERENCE_SIDE_H
#define TEST_REFERENCE_SIDE_H

#include <stdbool.h>
#include <stddef.h>

#define GRANULE ((size_t)32768)
#define PAGE ((size_t)4096)

struct side {
	const char *name;
	void (*begin)(void);
	/* n granules with memory, aligned to so many bytes, a power of two. *zero: wanted to be zero; on return: it says so. */
	char *(*take)(size_t n, size_t alignment, bool *zero);
	void (*put)(char *extent, size_t n);
	/* From n granules to other n, in place. False, unchanged, where there is no room. */
	bool (*resize)(char *extent, size_t n, size_t to);
	/* Give all idle memory back. */
	void (*purge)(void);
	/* Bytes: as its own books have them in live extents, and as the kernel has them in memory. */
	size_t (*live)(void);
	size_t (*resident)(void);
	/* Bytes of address space that it has mapped for extents, now. */
	size_t (*mapped)(void);
	/* With nothing live and nothing idle: whether all that is free is one piece again. */
	bool (*is_whole)(void);
	/* Bytes that may be resident beyond the live ones after a purge: for books of its own. */
	size_t slack;
};

extern const struct side fallow_side;
extern const struct side jemalloc_side;

/* Spoil something of fallow's: "overlap", "dirt", "loss", "books". False when there is no chance for it now. */
bool fallow_spoil(const char *what, char *live);

/* End the test. */
_Noreturn void differ(const char *side, const char *what);

/* Bytes of [start, start + length) that are in memory. */
size_t count_resident(const char *start, size_t length);

#endif
