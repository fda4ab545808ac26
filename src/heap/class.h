/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Size classes: 16 bytes apart up to 256, then eight to each doubling up to 32 KiB, so that rounding up wastes at most an
 * eighth. Every class is a multiple of 16; a slab holds at least eight slots.
 */
#ifndef FL_HEAP_CLASS_H
#define FL_HEAP_CLASS_H

#include "base/base.h"

#define FL_SMALL_MOST ((size_t)32768) /* bytes; larger blocks have an extent of their own */
#define FL_NCLASSES 72

/* Up to here a table of one byte for each 16 gives the class: what the fast path looks at. */
#define FL_TABLE_MOST ((size_t)1024)

struct fl_class {
	uint32_t size;      /* bytes of a slot */
	uint32_t ngranules; /* of a slab */
};

extern const uint8_t fl_class_table[FL_TABLE_MOST / 16 + 1];
extern const struct fl_class fl_classes[FL_NCLASSES];

/* The class of a size above FL_TABLE_MOST and up to FL_SMALL_MOST. */
static inline unsigned int fl_class_of_medium(size_t size)
{
	unsigned int shift = fl_log2_floor(size - 1) - 3;

	return (unsigned int)((size - 1) >> shift) + shift * 8 - 32;
}

/* The class of a size up to FL_SMALL_MOST. */
static inline unsigned int fl_class_of(size_t size)
{
	return size <= FL_TABLE_MOST ? fl_class_table[(size + 15) / 16] : fl_class_of_medium(size);
}

/* Whether a class serves a block of this alignment, a power of two. */
static inline bool fl_class_fits(size_t size, size_t alignment)
{
	return size <= FL_SMALL_MOST && alignment <= FL_SMALL_MOST;
}

/*
 * Its class: slots of a class start at multiples of its size from a granule's start, and a size that is a multiple of the
 * alignment is rounded up to one that is, too.
 */
static inline unsigned int fl_class_of_aligned(size_t size, size_t alignment)
{
	return fl_class_of(fl_align_up(size, alignment) | (size == 0 ? alignment : 0));
}

#endif
