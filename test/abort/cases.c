/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wrong pointers given to free and its like, which every build finds.
 */
#include "test/abort/misuse.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char double_free[] = "double free";
static const char freed_already[] = "freed already";
static const char foreign[] = "not allocated by fallow";
static const char interior[] = "not the start of a block";

static void twice(size_t size)
{
	void *block = malloc(size);
	void *again = misuse_tell(block);

	free(block);
	free(again);
}

static void twice_small(void)
{
	twice(40);
}

static void twice_medium(void)
{
	twice(20000);
}

static void twice_large(void)
{
	twice(3 << 20);
}

static void twice_huge(void)
{
	twice(300 << 20);
}

static void twice_with_others_between(void)
{
	void *others[100], *again;

	for (int i = 0; i < 100; i++)
		others[i] = malloc(40);
	again = misuse_tell(others[50]);
	for (int i = 0; i < 100; i++)
		free(others[i]);
	free(again);
}

static void *free_it(void *block)
{
	free(block);
	return NULL;
}

static void twice_by_two_threads(void)
{
	void *block = malloc(40), *again = misuse_tell(block);
	pthread_t thread;

	free(block);
	if (pthread_create(&thread, NULL, free_it, again) != 0)
		_exit(99);
	pthread_join(thread, NULL);
	/* A slot freed from afar may be found out only when its owner takes it home. */
	for (int i = 0; i < 100000; i++)
		free(malloc(40));
}

static void twice_by_another_thread(void)
{
	void *block = malloc(40), *again = misuse_tell(block);
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_it, block) != 0)
		_exit(99);
	pthread_join(thread, NULL);
	free(again);
	for (int i = 0; i < 100000; i++)
		free(malloc(40));
}

static void after_realloc_moved_it(void)
{
	void *block = malloc(40), *again = misuse_tell(block);

	if (realloc(block, 1 << 20) == block)
		_exit(99);
	free(again);
}

static void realloc_of_freed(void)
{
	void *block = malloc(40), *again = misuse_tell(block);

	free(block);
	again = realloc(again, 80);
}

static void aligned_twice(void)
{
	void *block = aligned_alloc(4096, 4096), *again = misuse_tell(block);

	free(block);
	free(again);
}

static void realloc_of_freed_in_place(void)
{
	void *block = malloc(40), *again = misuse_tell(block);

	free(block);
	again = realloc(again, 40);
}

static void size_of_freed(void)
{
	void *block = malloc(40), *again = misuse_tell(block);

	free(block);
	malloc_usable_size(again);
}

static char in_data[64] __attribute__((aligned(16)));

static void static_data(void)
{
	free(misuse_tell(in_data));
}

static void stack(void)
{
	char local[64] __attribute__((aligned(16)));

	free(misuse_tell(local));
}

static void code(void)
{
	free(misuse_tell((void *)(uintptr_t)stack));
}

static void mapping(void)
{
	free(misuse_tell(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}

static void never_mapped(void)
{
	free(misuse_tell((void *)0x10));
}

static void beyond_user_space(void)
{
	free(misuse_tell((void *)(uintptr_t)0xffff888012345670));
}

static void not_canonical(void)
{
	free(misuse_tell((void *)(uintptr_t)0xdeadbeefdeadbee0));
}

static void realloc_of_foreign(void)
{
	void *volatile result = realloc(misuse_tell(in_data), 100);

	(void)result;
}

static void size_of_foreign(void)
{
	malloc_usable_size(misuse_tell(in_data));
}

static void size_inside_small(void)
{
	malloc_usable_size(misuse_tell((char *)malloc(100) + 16));
}

static void inside_small_by_another_thread(void)
{
	void *inside = misuse_tell((char *)malloc(100) + 16);
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_it, inside) != 0)
		_exit(99);
	pthread_join(thread, NULL);
}

static void stale_after_its_memory_went_back(void)
{
	enum { N = 4000 };
	static void *blocks[N];
	void *again;

	for (int i = 0; i < N; i++)
		blocks[i] = malloc(1000);
	again = misuse_tell(blocks[N / 2]);
	for (int i = 0; i < N; i++)
		free(blocks[i]);
	malloc_trim(0);
	free(again);
}

static void inside_large(void)
{
	free(misuse_tell((char *)malloc(8 << 20) + 4096));
}

static void inside_huge(void)
{
	free(misuse_tell((char *)malloc(300 << 20) + (100 << 20)));
}

const struct misuse wrong_frees[] = {
	{"twice, small", twice_small, "free", double_free},
	{"twice, medium", twice_medium, "free", double_free},
	{"twice, large", twice_large, "free", double_free},
	{"twice, huge", twice_huge, "free", double_free},
	{"twice, with others between", twice_with_others_between, "free", double_free},
	{"twice, the second time by another thread", twice_by_two_threads, "free", double_free},
	{"twice, the first time by another thread", twice_by_another_thread, "free", double_free},
	{"twice, aligned", aligned_twice, "free", double_free},
	{"twice, after its memory went back", stale_after_its_memory_went_back, "free", double_free},
	{"after realloc moved it", after_realloc_moved_it, "free", double_free},
	{"realloc of a freed block", realloc_of_freed, "realloc", freed_already},
	{"realloc of a freed block to its size", realloc_of_freed_in_place, "realloc", freed_already},
	{"size of a freed block", size_of_freed, "malloc_usable_size", freed_already},
	{"static data", static_data, "free", foreign},
	{"stack", stack, "free", foreign},
	{"code", code, "free", foreign},
	{"a mapping of the program", mapping, "free", foreign},
	{"an address never mapped", never_mapped, "free", foreign},
	{"a kernel address", beyond_user_space, "free", foreign},
	{"an address that cannot be", not_canonical, "free", foreign},
	{"realloc of static data", realloc_of_foreign, "realloc", foreign},
	{"size of static data", size_of_foreign, "malloc_usable_size", foreign},
	{"size inside a small block", size_inside_small, "malloc_usable_size", interior},
	{"inside a small block of another thread", inside_small_by_another_thread, "free", interior},
	{"inside a large block", inside_large, "free", interior},
	{"inside a huge block", inside_huge, "free", interior},
};

const size_t nwrong_frees = sizeof wrong_frees / sizeof *wrong_frees;
