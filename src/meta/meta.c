/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bump allocator with free lists: four sizes to each power of two.
 */
#include "meta/meta.h"

#include <errno.h>
#include <string.h>

#include "os/kernel.h"
#include "os/lock.h"
#include "os/os.h"

#define ALIGNMENT 64
#define CHUNK (64 * FL_KIB)
#define NAME "fallow metadata"
#define NLISTS 128

struct freed {
	struct freed *next;
};

struct fl_lock fl_meta_lock = FL_LOCK_INIT(FL_RANK_META);

size_t fl_meta_nbytes;

/* Guarded by fl_meta_lock. */
static struct {
	char *next;
	char *end;
	struct freed *lists[NLISTS];
} meta;

static void count(size_t length)
{
	__atomic_add_fetch(&fl_meta_nbytes, length, __ATOMIC_RELAXED);
}

int fl_meta_map(void *address, size_t length)
{
	void *place = address;
	int result = fl_os_mmap(&place, length, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (result != 0)
		return result;
	if (place != address) {
		/* Kernels before 4.17 take the flag for a hint. */
		fl_os_munmap(place, length);
		return -EEXIST;
	}
	fl_os_name_mapping(address, length, NAME);
	count(length);
	return 0;
}

bool fl_meta_unmap(void *address, size_t length)
{
	if (length != 0 && fl_os_munmap(address, length) != 0)
		return false;
	count(-length);
	return true;
}

size_t fl_meta_mapped(void)
{
	return __atomic_load_n(&fl_meta_nbytes, __ATOMIC_RELAXED);
}

/* A new chunk for the bump pointer; what is left of the old one is forgotten. */
static bool refill(size_t size)
{
	size_t length = fl_align_up(fl_max(size, CHUNK), fl_os_page_size());
	void *chunk = NULL;

	if (fl_os_mmap(&chunk, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != 0)
		return false;
	fl_os_name_mapping(chunk, length, NAME);
	count(length);
	meta.next = chunk;
	meta.end = meta.next + length;
	return true;
}

/* The size that serves a request, a whole number of quarters of a power of two; its list by way of list. */
static size_t round_size(size_t size, unsigned int *list)
{
	size = fl_align_up(fl_max(size, 1), ALIGNMENT);
	unsigned int power = fl_log2_floor(size);
	size_t step = (size_t)1 << fl_max(power - 2, fl_log2_floor(ALIGNMENT));
	size = fl_align_up(size, step);
	power = fl_log2_floor(size);
	*list = power * 4 + (unsigned int)(size >> (power - 2) & 3) - 4 * fl_log2_floor(ALIGNMENT);
	return size;
}

void *fl_meta_alloc(size_t size)
{
	unsigned int list;
	void *object = NULL;

	size = round_size(size, &list);
	fl_lock_take(&fl_meta_lock);
	struct freed *reused = meta.lists[list];
	if (reused) {
		meta.lists[list] = reused->next;
		memset(reused, 0, size);
		object = reused;
	} else if ((size_t)(meta.end - meta.next) >= size || refill(size)) {
		object = meta.next;
		meta.next += size;
	}
	fl_lock_put(&fl_meta_lock);
	return object;
}

void fl_meta_free(void *object, size_t size)
{
	struct freed *freed = object;
	unsigned int list;

	round_size(size, &list);
	fl_lock_take(&fl_meta_lock);
	freed->next = meta.lists[list];
	meta.lists[list] = freed;
	fl_lock_put(&fl_meta_lock);
}
