/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process heap, arenas and pools. The model has every live block with its size and what it was filled with, and every
 * arena with what it may hold.
 */
#include "test/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fallow/fallow.h>

#define NBLOCKS 48
#define NARENAS 4
#define NPOOLS 2
#define STRIDE 509 /* of a long block each so manieth byte is filled and looked at */
#define PLENTY ((size_t)4 << 20)

struct block {
	unsigned char *bytes;
	size_t size;
	uint8_t mark;
	size_t arena; /* NARENAS: the process heap */
};

struct arena {
	struct fallow_arena *handle;
	size_t limit;
	size_t ceiling; /* what it holds at most: the limit, or what it had when the limit was lowered */
	size_t slack;   /* a fault in a huge page brings in more than was asked for */
	bool may_fail;  /* NULL is an answer to whatever request */
	bool shared;    /* draws from a pool, which holds pages for it */
	size_t pool;    /* NPOOLS: none */
};

static struct block blocks[NBLOCKS];
static struct arena arenas[NARENAS];
static struct fallow_pool *pools[NPOOLS];

/* The block that a callback must leave alone: it is in a call's hands. */
static const struct block *in_hand;

/* Blocks */

static uint8_t pattern(const struct block *block, size_t i)
{
	return (uint8_t)(block->mark + i * 7 + i / 256);
}

static size_t next(const struct block *block, size_t i)
{
	return block->size <= 4096 || i < 64 || i + 64 >= block->size ? i + 1 : i + STRIDE < block->size ? i + STRIDE : i + 1;
}

static void fill(struct block *block)
{
	for (size_t i = 0; i < block->size; i = next(block, i))
		block->bytes[i] = pattern(block, i);
}

/* The first nbytes are what fill() wrote. */
static void check(const struct block *block, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i = next(block, i))
		expect_equal(block->bytes[i], pattern(block, i));
}

static void check_apart(const struct block *block)
{
	for (size_t i = 0; i < NBLOCKS; i++) {
		const struct block *other = &blocks[i];
		if (other != block && other->bytes)
			expect(block->bytes + block->size <= other->bytes || other->bytes + other->size <= block->bytes);
	}
}

static struct fallow_arena *handle_of(const struct block *block)
{
	return block->arena < NARENAS ? arenas[block->arena].handle : NULL;
}

static size_t any_size(struct fuzz_input *input)
{
	unsigned int shift = fuzz_below(input, 24), part = fuzz_byte(input);

	if (shift == 23)
		return SIZE_MAX - part;
	return ((size_t)1 << shift) + (part << shift >> 8) - (part & 1);
}

/* A refusal must be one that the contract has. */
static void check_refusal(const struct block *block, size_t size)
{
	struct fallow_failure failure;

	expect_equal(errno, ENOMEM);
	expect_equal(fallow_last_failure(&failure), 0);
	expect(failure.reason != FALLOW_REASON_NONE);
	expect(size > PLENTY || (block->arena < NARENAS && arenas[block->arena].may_fail));
}

static void take(struct block *block, unsigned char *bytes, size_t size, size_t alignment, uint8_t mark)
{
	if (bytes == NULL) {
		check_refusal(block, size);
		return;
	}
	expect_equal((uintptr_t)bytes % alignment, 0);
	block->bytes = bytes;
	block->size = size;
	block->mark = mark;
	expect(fallow_usable_size(bytes) >= size);
	if (handle_of(block))
		expect(fallow_arena_usable_size(handle_of(block), bytes) >= size);
	check_apart(block);
	fill(block);
}

static void alloc(struct fuzz_input *input, struct block *block)
{
	struct fallow_arena *arena = handle_of(block);
	size_t size = any_size(input), alignment = 16;
	unsigned int kind = fuzz_below(input, 4);
	unsigned char *bytes;

	switch (kind) {
	case 0:
		bytes = arena ? fallow_arena_calloc(arena, 1 + size % 2, size) : fallow_calloc(1 + size % 2, size);
		if (__builtin_mul_overflow(size, 1 + size % 2, &size))
			size = SIZE_MAX;
		for (size_t i = 0; bytes && i < size; i++)
			expect_equal(bytes[i], 0);
		break;
	case 1:
		alignment = (size_t)1 << fuzz_below(input, 23);
		bytes = arena ? fallow_arena_aligned_alloc(arena, alignment, size) : fallow_aligned_alloc(alignment, size);
		/* Address space is spent on it as well. */
		if (bytes == NULL && alignment > 4096)
			return;
		break;
	default:
		bytes = arena ? fallow_arena_malloc(arena, size) : fallow_malloc(size);
		break;
	}
	take(block, bytes, size, alignment, (uint8_t)fuzz_byte(input));
}

static void let_go(struct block *block, bool by_arena)
{
	struct fallow_arena *arena = handle_of(block);

	check(block, block->size);
	errno = EXDEV;
	if (by_arena && arena)
		fallow_arena_free(arena, block->bytes);
	else
		fallow_free(block->bytes);
	expect_equal(errno, EXDEV);
	block->bytes = NULL;
}

static void resize(struct fuzz_input *input, struct block *block)
{
	struct fallow_arena *arena = fuzz_one_in(input, 2) ? handle_of(block) : NULL;
	size_t size = fuzz_one_in(input, 16) ? 0 : any_size(input);
	uint8_t mark = (uint8_t)fuzz_byte(input);

	in_hand = block;
	unsigned char *bytes = arena ? fallow_arena_realloc(arena, block->bytes, size) : fallow_realloc(block->bytes, size);
	in_hand = NULL;
	if (size == 0) {
		expect(bytes == NULL);
		block->bytes = NULL;
		return;
	}
	if (bytes == NULL) {
		check(block, block->size);
		check_refusal(block, size);
		return;
	}
	block->bytes = bytes;
	check(block, size < block->size ? size : block->size);
	take(block, bytes, size, 16, mark);
}

static void block_step(struct fuzz_input *input)
{
	struct block *block = &blocks[fuzz_below(input, NBLOCKS)];

	if (block->bytes == NULL) {
		block->arena = fuzz_below(input, NARENAS + 1);
		if (block->arena < NARENAS && arenas[block->arena].handle == NULL)
			block->arena = NARENAS;
		alloc(input, block);
	} else if (fuzz_one_in(input, 2)) {
		resize(input, block);
	} else {
		let_go(block, fuzz_one_in(input, 2));
	}
}

/* Arenas */

static size_t bytes_of(size_t arena)
{
	size_t sum = 0;

	for (size_t i = 0; i < NBLOCKS; i++)
		sum += blocks[i].bytes && blocks[i].arena == arena ? blocks[i].size : 0;
	return sum;
}

static void check_arena(size_t index)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
	struct arena *arena = &arenas[index];

	expect_equal(fallow_arena_stats(arena->handle, &stat), 0);
	expect(stat.taken + stat.spilled >= bytes_of(index));
	if (!arena->shared)
		expect_equal(stat.limit, arena->limit / stat.page_size * stat.page_size);
	if (arena->limit == 0)
		return;
	expect(stat.populated <= arena->ceiling + arena->slack);
	if (stat.populated < arena->ceiling)
		arena->ceiling = stat.populated > arena->limit ? stat.populated : arena->limit;
}

static bool relieve(struct fallow_arena *handle, size_t needed, void *context)
{
	expect(needed <= PTRDIFF_MAX && context == blocks);
	for (size_t i = 0; i < NBLOCKS; i++) {
		if (blocks[i].bytes && &blocks[i] != in_hand && handle_of(&blocks[i]) == handle) {
			let_go(&blocks[i], true);
			return true;
		}
	}
	return false;
}

static size_t any_limit(struct fuzz_input *input)
{
	return fuzz_one_in(input, 3) ? 0 : (size_t)(1 + fuzz_byte(input)) << (12 + fuzz_below(input, 4));
}

/* Fields are in range but for one in so many, which must be refused. */
static void create_arena(struct fuzz_input *input, struct arena *arena)
{
	struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
	size_t pool = fuzz_below(input, 4);
	int fd = -1;

	options.backing = (enum fallow_backing)fuzz_below(input, 5);
	options.share = (enum fallow_share)fuzz_below(input, 4);
	options.populate = (enum fallow_populate)fuzz_below(input, 6);
	options.spill = (enum fallow_spill)fuzz_below(input, 2);
	options.thp = (enum fallow_thp)fuzz_below(input, 3);
	options.limit = any_limit(input);
	options.decay_ms = fuzz_one_in(input, 2) ? 0 : FALLOW_DECAY_NEVER;
	options.reserve = fuzz_one_in(input, 4) ? (size_t)fuzz_byte(input) << 16 : 0;
	if (pool < NPOOLS)
		options.pool = pools[pool];
	/* On a finite backing the others end in SIGBUS, as they say. */
	if (options.backing == FALLOW_BACKING_HUGETLB && options.populate <= FALLOW_POPULATE_NONE)
		options.populate = FALLOW_POPULATE_WRITE;
	if (options.backing == FALLOW_BACKING_FILE)
		options.fd = fd = memfd_create("fuzz", MFD_CLOEXEC);
	int result = fallow_arena_create(&options, &arena->handle);
	if (fd >= 0)
		close(fd);
	if (result != 0) {
		arena->handle = NULL;
		expect(result == -EINVAL || result == -EOPNOTSUPP || result == -ENOMEM);
		expect(options.backing != FALLOW_BACKING_ANON || options.share > FALLOW_SHARE_SHARED || options.pool ||
		       options.populate > FALLOW_POPULATE_WRITE || result == -ENOMEM);
		return;
	}
	arena->limit = arena->ceiling = options.limit;
	arena->slack = options.populate == FALLOW_POPULATE_NONE && options.thp != FALLOW_THP_NEVER ? (size_t)2 << 20 : 0;
	arena->shared = options.pool != NULL;
	arena->pool = options.pool ? pool : NPOOLS;
	arena->may_fail = options.limit || options.reserve || options.pool || options.backing == FALLOW_BACKING_HUGETLB;
	if (fuzz_one_in(input, 2))
		expect_equal(fallow_arena_on_pressure(arena->handle, relieve, blocks), 0);
}

/* Its blocks are gone with it, or let go one by one: then nothing is left in it. */
static void forget_blocks(size_t index)
{
	for (size_t i = 0; i < NBLOCKS; i++) {
		if (blocks[i].arena == index && blocks[i].bytes) {
			check(&blocks[i], blocks[i].size);
			blocks[i].bytes = NULL;
		}
	}
}

static void empty_arena(size_t index)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	for (size_t i = 0; i < NBLOCKS; i++) {
		if (blocks[i].arena == index && blocks[i].bytes)
			let_go(&blocks[i], i % 2);
	}
	/* A trim may send slots from one parked cache to another: the next one finds them. */
	for (int i = 0; i < 3; i++)
		expect_equal(fallow_arena_trim(arenas[index].handle, NULL), 0);
	expect_equal(fallow_arena_stats(arenas[index].handle, &stat), 0);
	expect_equal(stat.taken, 0);
	expect_equal(stat.spilled, 0);
	expect_equal(stat.populated, 0);
}

static void destroy_arena(size_t index)
{
	forget_blocks(index);
	fallow_arena_destroy(arenas[index].handle);
	arenas[index].handle = NULL;
}

static void set_limit(struct arena *arena, size_t limit)
{
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;

	int result = fallow_arena_set_limit(arena->handle, limit);
	expect_equal(fallow_arena_stats(arena->handle, &stat), 0);
	expect_equal(result, limit != 0 && limit < stat.page_size ? -EINVAL : 0);
	if (result != 0)
		return;
	arena->may_fail |= limit != 0;
	arena->limit = limit;
	arena->ceiling = stat.populated > limit ? stat.populated : limit;
}

static void arena_step(struct fuzz_input *input)
{
	size_t index = fuzz_below(input, NARENAS);
	struct arena *arena = &arenas[index];

	if (arena->handle == NULL) {
		create_arena(input, arena);
		return;
	}
	switch (fuzz_below(input, 8)) {
	case 0:
		destroy_arena(index);
		break;
	case 1:
		forget_blocks(index);
		fallow_arena_reset(arena->handle);
		break;
	case 2:
		empty_arena(index);
		break;
	case 3:
		set_limit(arena, any_limit(input));
		break;
	case 4:
		expect_equal(fallow_arena_trim(arena->handle, NULL), 0);
		break;
	default:
		check_arena(index);
		break;
	}
}

/* Pools: on a machine without huge pages they are empty, or refused. */

static size_t arenas_on(size_t pool)
{
	size_t n = 0;

	for (size_t i = 0; i < NARENAS; i++)
		n += arenas[i].handle != NULL && arenas[i].pool == pool;
	return n;
}

static void create_pool(struct fuzz_input *input, size_t index)
{
	struct fallow_pool_options options = FALLOW_POOL_OPTIONS_INIT;

	options.backing = fuzz_one_in(input, 2) ? FALLOW_BACKING_MEMFD : FALLOW_BACKING_HUGETLB;
	options.supply = (enum fallow_pool_supply)fuzz_below(input, 3);
	options.npages = fuzz_below(input, 5);
	options.decay_ms = 0;
	int result = fallow_pool_create(&options, &pools[index]);
	if (options.supply > FALLOW_POOL_ON_DEMAND || options.npages == 0)
		expect_equal(result, -EINVAL);
	if (result == 0)
		return;
	pools[index] = NULL;
	expect(result == -EINVAL || result == -ENOMEM || result == -EOPNOTSUPP);
}

static void pool_step(struct fuzz_input *input)
{
	struct fallow_pool_stat stat = FALLOW_POOL_STAT_INIT;
	size_t index = fuzz_below(input, NPOOLS), npages = fuzz_below(input, 6);

	if (pools[index] == NULL) {
		create_pool(input, index);
		return;
	}
	expect_equal(fallow_pool_stats(pools[index], &stat), 0);
	expect(stat.npages_used <= stat.npages_populated && stat.npages_populated <= stat.npages);
	expect_equal(stat.narenas, arenas_on(index));
	if (fuzz_one_in(input, 2)) {
		int result = fallow_pool_resize(pools[index], npages);
		if (npages == 0)
			expect_equal(result, -EINVAL);
		else
			expect(result == 0 || (result == -EBUSY && npages < stat.npages_used + 1) ||
			       (result == -ENOMEM && npages > stat.npages));
		return;
	}
	int result = fallow_pool_destroy(pools[index]);
	expect_equal(result, stat.narenas ? -EBUSY : 0);
	if (result == 0)
		pools[index] = NULL;
}

void fuzz_heap_step(struct fuzz_input *input)
{
	switch (fuzz_below(input, 8)) {
	case 0:
		pool_step(input);
		break;
	case 1:
	case 2:
		arena_step(input);
		break;
	default:
		block_step(input);
		break;
	}
}

void fuzz_heap_end(void)
{
	for (size_t i = 0; i < NARENAS; i++) {
		if (arenas[i].handle) {
			empty_arena(i);
			destroy_arena(i);
		}
	}
	for (size_t i = 0; i < NBLOCKS; i++) {
		if (blocks[i].bytes)
			let_go(&blocks[i], false);
	}
	for (size_t i = 0; i < NPOOLS; i++) {
		expect_equal(fallow_pool_destroy(pools[i]), 0);
		pools[i] = NULL;
	}
}
