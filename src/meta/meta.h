/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator's own memory: never from malloc, never beside users' blocks.
 *
 * Objects are zeroed, aligned to 64, and reused by size after fl_meta_free(). Memory of freed objects is not given back:
 * there is little of it.
 */
#ifndef FL_META_META_H
#define FL_META_META_H

#include "base/base.h"
#include "os/lock.h"

/* NULL when the kernel gives no memory. */
void *fl_meta_alloc(size_t size);

/* size as it was asked for. */
void fl_meta_free(void *object, size_t size);

/* Map [address, address + length), which must be free, readable and writable and zero. -EEXIST when it is not free. */
int fl_meta_map(void *address, size_t length);

/* False, with everything still mapped, when the kernel refuses. */
bool fl_meta_unmap(void *address, size_t length);

/* Bytes mapped for metadata; the word that counts them is atomic. */
size_t fl_meta_mapped(void);
extern size_t fl_meta_nbytes;

/* Guards this layer's state, claims included. */
extern struct fl_lock fl_meta_lock;

#endif
