/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a hardened heap finds, besides what every build does, pointers inside of small blocks, wrong sizes in sized
 * frees, writes past the end of a block, and writes into freed ones, whichever thread made them.
 */
#include "test/abort/misuse.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/preload.h"

/* More than ever wait in magazines and stocks. */
enum { ENOUGH = 20000 };

static void inside_small(void)
{
	free(misuse_tell((char *)malloc(100) + 16));
}

static void unaligned(void)
{
	free(misuse_tell((char *)malloc(100) + 1));
}

static void *past_its_end(size_t size, size_t more)
{
	volatile char *block = misuse_tell(malloc(size));
	size_t usable = malloc_usable_size((void *)block);

	for (size_t i = 0; i < more; i++)
		block[usable + i] = 'x';
	return (void *)block;
}

static void overflow_by_a_byte(void)
{
	free(past_its_end(24, 1));
}

static void overflow_into_the_next(void)
{
	free(past_its_end(100, 64));
}

static void overflow_of_a_medium_block(void)
{
	free(past_its_end(20000, 1));
}

static void overflow_met_by_realloc(void)
{
	void *volatile result = realloc(past_its_end(24, 8), 4000);

	(void)result;
}

static void *free_it(void *block)
{
	free(block);
	return NULL;
}

static void overflow_met_by_another_thread(void)
{
	void *block = past_its_end(24, 8);
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_it, block) != 0)
		_exit(99);
	pthread_join(thread, NULL);
}

/* Until the slot comes again. */
static void reuse(size_t size)
{
	for (int i = 0; i < ENOUGH; i++)
		free(malloc(size));
}

static void written_after_free(size_t size, size_t eighths)
{
	void *block = malloc(size);
	volatile char *stale = misuse_tell(block);
	size_t last = malloc_usable_size(block) - 1;

	free(block);
	stale[last * eighths / 8] = 'x';
	reuse(size);
}

static void written_at_its_start(void)
{
	written_after_free(40, 0);
}

static void written_in_its_middle(void)
{
	written_after_free(40, 4);
}

static void written_at_its_end(void)
{
	written_after_free(3000, 8);
}

/* An attacker's way: the link of a free list. There is none to follow, but it is noticed. */
static void link_overwritten(void)
{
	void *block = malloc(56);
	void *volatile *stale = misuse_tell(block);

	free(block);
	*stale = (void *)&stale;
	reuse(56);
}

/* Whoever can read a canary and write into freed blocks may free one twice, but never gets it twice. */
static void canary_put_back(void)
{
	enum { N = 5000 };
	static char *blocks[N];
	char canary[8], *block = malloc(40), *stale = misuse_tell(block);
	size_t usable = malloc_usable_size(block);

	memcpy(canary, stale + usable, sizeof canary);
	free(block);
	memcpy(stale + usable, canary, sizeof canary);
	free(stale);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++)
			blocks[i] = malloc(40);
		for (int i = 0; i < N; i++)
			free(blocks[i]);
	}
}

typedef void sized_free(void *block, size_t size);

/* Not in every libc, and the operator not in C at all. */
static void free_with_size(const char *name, void *block, size_t size)
{
	sized_free *function = (sized_free *)dlsym(RTLD_DEFAULT, name);

	if (function == NULL)
		_exit(99);
	function(misuse_tell(block), size);
}

static void sized_free_of_more(void)
{
	free_with_size("free_sized", malloc(100), 200);
}

static void sized_delete_of_less(void)
{
	free_with_size("_ZdlPvm", malloc(100), 40);
}

static void sized_delete_of_more(void)
{
	free_with_size("_ZdlPvm", malloc(5000), 10000);
}

static void sized_delete_of_large(void)
{
	free_with_size("_ZdlPvm", malloc(1 << 20), 1 << 10);
}

static const char overflow[] = "overflow: bytes behind the block were overwritten";
static const char interior[] = "not the start of a block";
static const char wrong_size[] = "wrong size";
static const char after_free[] = "use after free: the block was written after it had been freed";

static const struct misuse cases[] = {
	{"inside a small block", inside_small, "free", interior},
	{"one byte into a small block", unaligned, "free", interior},
	{"overflow by a byte", overflow_by_a_byte, "free", overflow},
	{"overflow into the next block", overflow_into_the_next, "free", overflow},
	{"overflow of a medium block", overflow_of_a_medium_block, "free", overflow},
	{"overflow, met by realloc", overflow_met_by_realloc, "realloc", overflow},
	{"overflow, met by another thread", overflow_met_by_another_thread, "free", overflow},
	{"written after free, at its start", written_at_its_start, "malloc", after_free},
	{"written after free, in its middle", written_in_its_middle, "malloc", after_free},
	{"written after free, at its end", written_at_its_end, "malloc", after_free},
	{"a pointer written where a link might be", link_overwritten, "malloc", after_free},
	{"free_sized with more than there is", sized_free_of_more, "free", wrong_size},
	{"sized delete with too little", sized_delete_of_less, "free", wrong_size},
	{"sized delete with too much", sized_delete_of_more, "free", wrong_size},
	{"sized delete of a large block as a small one", sized_delete_of_large, "free", wrong_size},
	{"freed again with its canary put back", canary_put_back, "malloc", after_free},
};

int main(int argc, char **argv)
{
	(void)argc;
	test_preload(argv, "hardened:true");
	return misuse_run(cases, sizeof cases / sizeof *cases);
}
