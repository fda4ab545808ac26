/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of unclaimed address ranges. On 47 bits: 4 to 84 TiB, below where programs are loaded, and 88 to 124 TiB,
 * between programs and the kernel's own placements; the same proportions on smaller address spaces.
 */
#include "meta/claim.h"

#include <errno.h>
#include <string.h>

#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"

#define LONGEST (64 * FL_TIB)
#define NRANGES 128

/* Placements below this mean an address space of valgrind's making: little of it, filled from the bottom. */
#define SCARCE (8 * FL_GIB)
#define SCARCE_START (16 * FL_GIB)
#define SCARCE_LENGTH (32 * FL_GIB)

#define RANDOM_SPAN 1024 /* in units of FL_CLAIM_ALIGNMENT */

struct range {
	uintptr_t start;
	uintptr_t end;
};

/* Guarded by fl_meta_lock. Sorted by address, no two adjoin. */
static struct {
	size_t n; /* 0: not started */
	struct range free[NRANGES];
} claims;

/* Where the kernel puts a mapping that may be anywhere. */
static uintptr_t kernel_placement(void)
{
	void *place = NULL;
	size_t page = fl_os_page_size();

	if (fl_os_mmap(&place, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != 0)
		return 0;
	fl_os_munmap(place, page);
	return (uintptr_t)place;
}

static struct range range(uintptr_t start, uintptr_t end)
{
	return (struct range){ fl_align_up(start, FL_CLAIM_ALIGNMENT), fl_align_down(end, FL_CLAIM_ALIGNMENT) };
}

/* Sanitizers of the program, whether or not this was built for one. */
void __asan_init(void) __attribute__((weak));
void __lsan_init(void) __attribute__((weak));
void __tsan_init(void) __attribute__((weak));

static void add(uintptr_t start, uintptr_t end)
{
	claims.free[claims.n++] = range(start, end);
}

/* Not the same place in every run. */
static void add_randomly(uintptr_t start, uintptr_t end)
{
	size_t span = fl_min(RANDOM_SPAN, (end - start) / FL_CLAIM_ALIGNMENT / 16 + 1);

	add(start + fl_os_random() % span * FL_CLAIM_ALIGNMENT, end);
}

static int start(void)
{
	uintptr_t top = kernel_placement(), sixteenth = top / 16;

	if (top == 0)
		return -ENOMEM;
	if (__tsan_init) {
		/* ThreadSanitizer has shadow for the topmost 1.5 TiB only. */
		add(0x7e8100000000, top - 256 * FL_GIB);
	} else if (top < SCARCE) {
		add(SCARCE_START, SCARCE_START + SCARCE_LENGTH);
	} else if (__asan_init || __lsan_init) {
		/* AddressSanitizer's shadow ends at 16 TiB, and its own heap, as LeakSanitizer's, begins at 96. */
		add_randomly(17 * FL_TIB, 10 * sixteenth + sixteenth / 2);
	} else {
		add_randomly(sixteenth / 2, 10 * sixteenth + sixteenth / 2);
		add_randomly(11 * sixteenth, top - sixteenth / 2);
	}
	return 0;
}

size_t fl_claim_longest(void)
{
	size_t longest = 0;

	fl_lock_take(&fl_meta_lock);
	if (claims.n != 0 || start() == 0) {
		for (size_t i = 0; i < claims.n; i++)
			longest = fl_max(longest, claims.free[i].end - claims.free[i].start);
	}
	fl_lock_put(&fl_meta_lock);
	return fl_min(longest, LONGEST);
}

/* Take from the highest range that fits, so that small claims leave the longest range whole. */
static int take(size_t length, uintptr_t *base)
{
	for (size_t i = claims.n; i-- > 0;) {
		struct range *r = &claims.free[i];
		if (r->end - r->start >= length) {
			*base = r->start;
			r->start += length;
			return 0;
		}
	}
	return -ENOMEM;
}

int fl_claim_take(size_t length, uintptr_t *base)
{
	int result = -ENOMEM;

	if (length > LONGEST)
		return -ENOMEM;
	length = fl_align_up(length, FL_CLAIM_ALIGNMENT);
	fl_lock_take(&fl_meta_lock);
	if (claims.n != 0 || start() == 0)
		result = take(length, base);
	fl_lock_put(&fl_meta_lock);
	return result;
}

void fl_claim_put(uintptr_t base, size_t length)
{
	uintptr_t end = base + fl_align_up(length, FL_CLAIM_ALIGNMENT);
	size_t i = 0;

	fl_lock_take(&fl_meta_lock);
	while (i < claims.n && claims.free[i].end < base)
		i++;
	if (i < claims.n && claims.free[i].end == base) {
		claims.free[i].end = end;
		if (i + 1 < claims.n && claims.free[i + 1].start == end) {
			claims.free[i].end = claims.free[i + 1].end;
			claims.n--;
			memmove(&claims.free[i + 1], &claims.free[i + 2], (claims.n - i - 1) * sizeof(struct range));
		}
	} else if (i < claims.n && claims.free[i].start == end) {
		claims.free[i].start = base;
	} else if (claims.n < NRANGES) {
		memmove(&claims.free[i + 1], &claims.free[i], (claims.n - i) * sizeof(struct range));
		claims.free[i] = (struct range){ base, end };
		claims.n++;
	}
	/* A full list forgets the range: addresses are lost, never memory. */
	fl_lock_put(&fl_meta_lock);
}
