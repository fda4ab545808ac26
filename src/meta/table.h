/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables: arrays of metadata that grow in place inside a claim and are indexed by plain arithmetic.
 *
 * New elements read as zero. Elements that exist may be read by any thread; growing is the owner's to serialise.
 */
#ifndef FL_META_TABLE_H
#define FL_META_TABLE_H

#include "base/base.h"

struct fl_table {
	char *base;           /* fixed after fl_table_create() */
	size_t element_size;
	size_t length;        /* bytes claimed */
	size_t mapped;        /* bytes mapped, whole pages */
};

/* Bytes of claim that a table of nelements needs: whole 64 KiB, the largest base page. */
size_t fl_table_footprint(size_t element_size, size_t nelements);

/* A table in the claim's bytes from base on. Nothing is mapped yet. */
void fl_table_create(struct fl_table *table, uintptr_t base, size_t element_size, size_t nelements);

/* Make elements below nelements exist. 0, or -errno with the table as it was. */
int fl_table_grow(struct fl_table *table, size_t nelements);

/* Unmap it. False when the kernel refuses: its claim is not free, then. */
bool fl_table_destroy(struct fl_table *table);

#endif
