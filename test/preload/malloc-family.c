/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that every name of the malloc family is fallow's in a preloaded program, and means what it means in glibc.
 */
#include "test/lib/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "test/lib/preload.h"

enum { MIB = 1024 * 1024 };

/* Sizes no process can have. volatile: the compiler shall not reason about them. */
static volatile size_t beyond[] = {(size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX + 4097, SIZE_MAX - 4096, SIZE_MAX - 1,
                                   SIZE_MAX};
enum { BEYOND_COUNT = sizeof beyond / sizeof *beyond };

/* What glibc's headers do not declare, or declare only for newer versions; looked up as a program's loader would. */
static void *(*libc_malloc)(size_t);
static void *(*libc_calloc)(size_t, size_t);
static void *(*libc_realloc)(void *, size_t);
static void *(*libc_memalign)(size_t, size_t);
static void *(*libc_valloc)(size_t);
static void *(*libc_pvalloc)(size_t);
static void (*libc_free)(void *);
static void (*cfree_)(void *);
static void (*free_sized_)(void *, size_t);
static void (*free_aligned_sized_)(void *, size_t, size_t);

static void look_up(void)
{
	*(void **)&libc_malloc = dlsym(RTLD_DEFAULT, "__libc_malloc");
	*(void **)&libc_calloc = dlsym(RTLD_DEFAULT, "__libc_calloc");
	*(void **)&libc_realloc = dlsym(RTLD_DEFAULT, "__libc_realloc");
	*(void **)&libc_memalign = dlsym(RTLD_DEFAULT, "__libc_memalign");
	*(void **)&libc_valloc = dlsym(RTLD_DEFAULT, "__libc_valloc");
	*(void **)&libc_pvalloc = dlsym(RTLD_DEFAULT, "__libc_pvalloc");
	*(void **)&libc_free = dlsym(RTLD_DEFAULT, "__libc_free");
	*(void **)&cfree_ = dlsym(RTLD_DEFAULT, "cfree");
	*(void **)&free_sized_ = dlsym(RTLD_DEFAULT, "free_sized");
	*(void **)&free_aligned_sized_ = dlsym(RTLD_DEFAULT, "free_aligned_sized");
}

static void names_are_fallows(void **state)
{
	static const char *const names[] = {
		"malloc", "free", "calloc", "realloc", "reallocarray", "aligned_alloc", "memalign", "posix_memalign", "valloc",
		"pvalloc", "cfree", "malloc_usable_size", "malloc_trim", "malloc_info", "malloc_stats", "mallinfo", "mallinfo2",
		"mallopt", "free_sized", "free_aligned_sized", "__libc_malloc", "__libc_free", "__libc_calloc", "__libc_realloc",
		"__libc_memalign", "__libc_valloc", "__libc_pvalloc",
		/* new, new[], their nothrow, aligned, and aligned nothrow forms */
		"_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "_ZnwmSt11align_val_t", "_ZnamSt11align_val_t",
		"_ZnwmSt11align_val_tRKSt9nothrow_t", "_ZnamSt11align_val_tRKSt9nothrow_t",
		/* delete and delete[], their nothrow, sized, aligned, sized aligned, and aligned nothrow forms */
		"_ZdlPv", "_ZdaPv", "_ZdlPvRKSt9nothrow_t", "_ZdaPvRKSt9nothrow_t", "_ZdlPvm", "_ZdaPvm", "_ZdlPvSt11align_val_t",
		"_ZdaPvSt11align_val_t", "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t",
		"_ZdlPvSt11align_val_tRKSt9nothrow_t", "_ZdaPvSt11align_val_tRKSt9nothrow_t",
	};
	const char *library = getenv("FALLOW_PRELOAD");
	int missing = 0;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		void *symbol = dlsym(RTLD_DEFAULT, names[i]);
		Dl_info info = {0};

		if (symbol == NULL || dladdr(symbol, &info) == 0 || strcmp(info.dli_fname, library) != 0) {
			printf("%s comes from %s\n", names[i], symbol == NULL ? "nowhere" : info.dli_fname);
			missing++;
		}
	}
	assert_int_equal(missing, 0);
}

static void too_large_is_enomem(void **state)
{
	(void)state;
	for (int i = 0; i < BEYOND_COUNT; i++) {
		size_t size = beyond[i];
		void *volatile kept = malloc(100);
		void *untouched = kept;

#define FAILS(call) \
	do { \
		errno = 0; \
		assert_null(call); \
		assert_int_equal(errno, ENOMEM); \
	} while (0)
		memset(kept, 'k', 100);
		FAILS(malloc(size));
		FAILS(calloc(1, size));
		FAILS(calloc(size, 1));
		FAILS(realloc(NULL, size));
		FAILS(realloc(kept, size));
		FAILS(reallocarray(kept, size, 1));
		FAILS(reallocarray(kept, 1, size));
		FAILS(aligned_alloc(16, size));
		FAILS(aligned_alloc(4096, size));
		FAILS(memalign(64, size));
		FAILS(memalign(MIB, size));
		FAILS(valloc(size));
		FAILS(pvalloc(size));
		FAILS(libc_malloc(size));
		FAILS(libc_calloc(1, size));
		FAILS(libc_realloc(kept, size));
		FAILS(libc_memalign(64, size));
		FAILS(libc_valloc(size));
		FAILS(libc_pvalloc(size));
		errno = 0;
		assert_int_equal(posix_memalign(&untouched, 64, size), ENOMEM);
		assert_ptr_equal(untouched, kept);
		for (int k = 0; k < 100; k++)
			assert_int_equal(((char *)kept)[k], 'k');
		free(kept);
	}
}

static void products_that_overflow_are_enomem(void **state)
{
	static volatile const size_t factors[][2] = {
		{SIZE_MAX, 2}, {2, SIZE_MAX}, {(size_t)1 << 32, (size_t)1 << 32}, {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX / 3 + 1, 3}};
	void *volatile block = malloc(8);

	(void)state;
	for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
		FAILS(calloc(factors[i][0], factors[i][1]));
		FAILS(libc_calloc(factors[i][0], factors[i][1]));
		FAILS(reallocarray(block, factors[i][0], factors[i][1]));
		FAILS(reallocarray(NULL, factors[i][0], factors[i][1]));
	}
	free(block);
}

/* Every size to 64 KiB, then near each power of two to 64 MiB. */
static size_t next_size(size_t size)
{
	size_t power = (size_t)1 << (63 - __builtin_clzl(size | 1));

	if (size < 65536)
		return size + 1;
	return size == power ? power + 1 : size == power + 1 ? 2 * power - 1 : size + 1;
}

static void blocks_are_aligned_to_16(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 64 * MIB; size = next_size(size)) {
		void *blocks[4] = {malloc(size), calloc(1, size), realloc(NULL, size), reallocarray(NULL, size, 1)};

		for (int i = 0; i < 4; i++) {
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % 16, 0);
			assert_true(malloc_usable_size(blocks[i]) >= size);
		}
		for (int i = 0; i < 4; i++)
			free(blocks[i]);
	}
}

static void every_usable_byte_can_be_used(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 4 * MIB; size = size < 4096 ? size + 1 : size * 5 / 4) {
		unsigned char *block = malloc(size), *neighbour = malloc(size);
		size_t usable = malloc_usable_size(block), usable_neighbour = malloc_usable_size(neighbour);

		memset(block, 1, usable);
		memset(neighbour, 2, usable_neighbour);
		for (size_t i = 0; i < usable; i++)
			assert_int_equal(block[i], 1);
		free(block);
		free(neighbour);
	}
}

static void alignments_up_to_1_gib_are_kept(void **state)
{
	(void)state;
	for (size_t alignment = sizeof(void *); alignment <= 1024 * (size_t)MIB; alignment *= 2) {
		static const size_t sizes[] = {1, 24, 100, 4096, 5000, 100000, 3 * MIB};

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			size_t size = sizes[i];
			char *blocks[4] = {aligned_alloc(alignment, size), memalign(alignment, size), libc_memalign(alignment, size),
			                   NULL};

			assert_int_equal(posix_memalign((void **)&blocks[3], alignment, size), 0);
			for (int k = 0; k < 4; k++) {
				assert_non_null(blocks[k]);
				assert_int_equal((uintptr_t)blocks[k] % alignment, 0);
				assert_true(malloc_usable_size(blocks[k]) >= size);
				blocks[k][0] = blocks[k][size - 1] = 'x';
			}
			for (int k = 0; k < 4; k++)
				free(blocks[k]);
		}
	}
}

static void alignments_beyond_memory_fail(void **state)
{
	void *untouched = &untouched;

	(void)state;
	for (int shift = 48; shift < 63; shift++) {
		volatile size_t alignment = (size_t)1 << shift;

		FAILS(aligned_alloc(alignment, 100));
		FAILS(memalign(alignment, 100));
		assert_int_equal(posix_memalign(&untouched, alignment, 100), ENOMEM);
		assert_ptr_equal(untouched, &untouched);
	}
}

static void alignments_that_are_no_power_of_two_are_einval(void **state)
{
	static volatile const size_t wrong[] = {0, 3, 5, 6, 12, 24, 48, 100, 4095, 4097, 3 * MIB, SIZE_MAX};
	void *untouched = &untouched;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		errno = 0;
		assert_null(aligned_alloc(wrong[i], 64));
		assert_int_equal(errno, EINVAL);
		errno = 4711;
		assert_int_equal(posix_memalign(&untouched, wrong[i], 64), EINVAL);
		assert_ptr_equal(untouched, &untouched);
		assert_int_equal(errno, 4711);
	}
	/* A power of two, but not of a multiple of a pointer. */
	for (size_t alignment = 1; alignment < sizeof(void *); alignment *= 2) {
		assert_int_equal(posix_memalign(&untouched, alignment, 64), EINVAL);
		assert_ptr_equal(untouched, &untouched);
	}
	/* memalign of glibc takes these and rounds up. */
	for (size_t alignment = 0; alignment < 5000; alignment += 7) {
		void *block = memalign(alignment, 64);

		assert_non_null(block);
		for (size_t power = 1; power < 2 * alignment; power *= 2)
			assert_int_equal((uintptr_t)block % power, 0);
		free(block);
	}
	errno = 0;
	assert_null(memalign(wrong[sizeof wrong / sizeof *wrong - 1], 64));
	assert_int_equal(errno, EINVAL);
}

static void valloc_and_pvalloc_give_pages(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	for (size_t size = 0; size < 3 * page; size += 1000) {
		void *blocks[] = {valloc(size), pvalloc(size), libc_valloc(size), libc_pvalloc(size)};

		for (int i = 0; i < 4; i++) {
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % page, 0);
		}
		assert_true(malloc_usable_size(blocks[1]) >= (size + page - 1) / page * page);
		assert_true(malloc_usable_size(blocks[3]) >= (size + page - 1) / page * page);
		for (int i = 0; i < 4; i++)
			free(blocks[i]);
	}
}

static void blocks_of_no_bytes_are_distinct(void **state)
{
	void *blocks[64];

	(void)state;
	for (int i = 0; i < 64; i++) {
		blocks[i] = i % 2 ? malloc(0) : calloc(0, i % 4 ? 7 : 0);
		assert_non_null(blocks[i]);
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(blocks[i], blocks[k]);
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
}

static void realloc_to_no_bytes_frees(void **state)
{
	struct mallinfo2 before, after;

	(void)state;
	assert_null(realloc(malloc(100), 0));
	before = mallinfo2();
	for (int i = 0; i < 1000; i++) {
		assert_null(realloc(malloc(100), 0));
		assert_null(realloc(malloc(MIB), 0));
		assert_null(reallocarray(malloc(100), 0, 8));
		assert_null(libc_realloc(malloc(100), 0));
	}
	after = mallinfo2();
	assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + MIB);
	/* Of nothing, it allocates. */
	void *block = realloc(NULL, 0);
	assert_non_null(block);
	free(block);
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + i / 256);
}

static void realloc_keeps_what_was_there(void **state)
{
	static const size_t sizes[] = {1, 15, 17, 100, 1000, 5000, 40000, 300000, 3 * MIB, 20 * MIB};
	enum { COUNT = sizeof sizes / sizeof *sizes };

	(void)state;
	for (int from = 0; from < COUNT; from++)
		for (int to = 0; to < COUNT; to++) {
			unsigned char *block = malloc(sizes[from]);
			size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];

			for (size_t i = 0; i < sizes[from]; i++)
				block[i] = pattern(i);
			block = realloc(block, sizes[to]);
			assert_non_null(block);
			assert_int_equal((uintptr_t)block % 16, 0);
			for (size_t i = 0; i < kept; i++)
				if (block[i] != pattern(i))
					fail_msg("realloc from %zu to %zu: byte %zu changed", sizes[from], sizes[to], i);
			memset(block, 0xff, sizes[to]);
			free(block);
		}
}

static void calloc_reads_as_zero(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t size = 1; size <= 16 * MIB; size = size * 3 / 2 + 1) {
			unsigned char *block = calloc(1, size);

			for (size_t i = 0; i < size; i++)
				if (block[i] != 0)
					fail_msg("round %d: byte %zu of %zu is %d", round, i, size, block[i]);
			memset(block, 0xa5, size);
			free(block);
		}
}

static void free_keeps_errno(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 256 * MIB; size *= 4) {
		void *block = malloc(size), *other = memalign(4096, size);

		errno = 1789;
		free(block);
		assert_int_equal(errno, 1789);
		libc_free(other);
		assert_int_equal(errno, 1789);
	}
	free(NULL);
	assert_int_equal(errno, 1789);
}

static void success_keeps_errno(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 64 * MIB; size *= 4) {
		errno = 1789;
		void *block = malloc(size);
		block = realloc(block, size * 2);
		free(block);
		free(calloc(1, size));
		assert_int_equal(errno, 1789);
	}
}

static void frees_take_each_others_blocks(void **state)
{
	(void)state;
	for (int round = 0; round < 100; round++) {
		free(libc_malloc(100));
		libc_free(malloc(100));
		free(libc_realloc(malloc(10), 5000));
		free(realloc(libc_calloc(3, 10), 5000));
		free(strdup("a block that libc itself allocates"));
		cfree_(malloc(100));
		free_sized_(malloc(100), 100);
		free_sized_(NULL, 0);
		free_aligned_sized_(aligned_alloc(256, 1024), 256, 1024);
		free_aligned_sized_(NULL, 64, 64);
	}
	cfree_(NULL);
	libc_free(NULL);
	assert_int_equal(malloc_usable_size(NULL), 0);
}

/* Well-formed as far as malloc_info needs: tags nest and close, attributes are quoted, nothing stands outside the root. */
static void assert_xml(const char *text)
{
	char open[32][32];
	int depth = 0, roots = 0;

	while (*text != '\0') {
		if (*text != '<') {
			assert_true(depth > 0 || strchr(" \n\t", *text) != NULL);
			assert_true(*text != '>' && *text != '&');
			text++;
			continue;
		}
		const char *end = strchr(text, '>');
		int closing = text[1] == '/', quotes = 0;
		size_t length = strcspn(text + 1 + closing, " />\n");

		assert_non_null(end);
		assert_in_range(length, 1, sizeof open[0] - 1);
		for (const char *c = text; c < end; c++)
			quotes += *c == '"';
		assert_int_equal(quotes % 2, 0);
		if (text[1] == '?' || text[1] == '!') {
			assert_int_equal(roots, 0);
		} else if (closing) {
			assert_true(depth > 0);
			depth--;
			assert_int_equal(strlen(open[depth]), length);
			assert_memory_equal(open[depth], text + 2, length);
		} else {
			roots += depth == 0;
			if (end[-1] != '/') {
				assert_in_range(depth, 0, 31);
				memcpy(open[depth], text + 1, length);
				open[depth++][length] = '\0';
			}
		}
		text = end + 1;
	}
	assert_int_equal(depth, 0);
	assert_int_equal(roots, 1);
}

static void malloc_info_writes_xml(void **state)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	void *blocks[] = {malloc(10), malloc(5000), malloc(3 * MIB)};
	volatile size_t too_large = SIZE_MAX - 4711;
	char expected[64];

	(void)state;
	assert_null(malloc(too_large));
	assert_int_equal(malloc_info(0, stream), 0);
	fclose(stream);
	assert_true(strncmp(text, "<malloc version=\"", 17) == 0);
	assert_xml(text);
	snprintf(expected, sizeof(expected), " requested=\"%zu\" ", too_large);
	assert_non_null(strstr(text, expected));
	free(text);
	for (int i = 0; i < 3; i++)
		free(blocks[i]);
	/* Options are reserved. */
	assert_int_not_equal(malloc_info(1, stdout), 0);
}

static void figures_follow_what_is_in_use(void **state)
{
	struct mallinfo2 before = mallinfo2(), between, after;
	char *small[1000], *large = malloc(8 * MIB);

	(void)state;
	for (int i = 0; i < 1000; i++)
		small[i] = malloc(1000);
	between = mallinfo2();
	/* As glibc has them: large blocks are apart. */
	assert_int_equal(between.hblks, before.hblks + 1);
	assert_int_equal(between.hblkhd, before.hblkhd + 8 * MIB);
	assert_true(between.uordblks >= 1000000 && between.uordblks < before.uordblks + 8 * MIB);
	assert_int_equal(between.arena, between.uordblks + between.fordblks);
	for (int i = 0; i < 1000; i++)
		free(small[i]);
	free(large);
	after = mallinfo2();
	assert_true(after.uordblks + after.hblkhd + 8 * MIB < between.uordblks + between.hblkhd);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	assert_true(mallinfo().uordblks >= 0);
#pragma GCC diagnostic pop
}

static void tuning_calls_answer(void **state)
{
	int trimmed;

	(void)state;
	assert_int_equal(mallopt(M_MMAP_THRESHOLD, 64 * 1024), 1);
	assert_int_equal(mallopt(M_ARENA_MAX, 2), 1);
	trimmed = malloc_trim(0);
	assert_true(trimmed == 0 || trimmed == 1);
	malloc_stats();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_fallows),
		cmocka_unit_test(too_large_is_enomem),
		cmocka_unit_test(products_that_overflow_are_enomem),
		cmocka_unit_test(blocks_are_aligned_to_16),
		cmocka_unit_test(every_usable_byte_can_be_used),
		cmocka_unit_test(alignments_up_to_1_gib_are_kept),
		cmocka_unit_test(alignments_beyond_memory_fail),
		cmocka_unit_test(alignments_that_are_no_power_of_two_are_einval),
		cmocka_unit_test(valloc_and_pvalloc_give_pages),
		cmocka_unit_test(blocks_of_no_bytes_are_distinct),
		cmocka_unit_test(realloc_to_no_bytes_frees),
		cmocka_unit_test(realloc_keeps_what_was_there),
		cmocka_unit_test(calloc_reads_as_zero),
		cmocka_unit_test(free_keeps_errno),
		cmocka_unit_test(success_keeps_errno),
		cmocka_unit_test(frees_take_each_others_blocks),
		cmocka_unit_test(malloc_info_writes_xml),
		cmocka_unit_test(figures_follow_what_is_in_use),
		cmocka_unit_test(tuning_calls_answer),
	};

	(void)argc;
	test_preload(argv, NULL);
	look_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
