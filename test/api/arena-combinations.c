/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that every combination of backing, page size, share and populate mode either gives an arena that works or is
 * refused by -EINVAL (a page size that the backing does not have) or -EOPNOTSUPP (what the kernel cannot combine), with
 * nothing kept, and that the combinations which must work do.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <fallow/arena.h>

#include "test/api/pattern.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define GiB ((size_t)1 << 30)

/* Where pages come from, with what the file is on where it is a file. */
struct source {
	const char *name;
	enum fallow_backing backing;
	const char *directory;
	size_t page_sizes[4]; /* that it has besides 0; ended by 0 */
	bool shared_by_default;
};

static const struct source sources[] = {
	{ "anon", FALLOW_BACKING_ANON, NULL, { 4096 }, false },
	{ "hugetlb", FALLOW_BACKING_HUGETLB, NULL, { 2 * MiB, GiB }, false },
	{ "memfd", FALLOW_BACKING_MEMFD, NULL, { 4096, 2 * MiB, GiB }, true },
	{ "file on tmpfs", FALLOW_BACKING_FILE, PLACE_TMPFS, { 4096 }, true },
	{ "file on hugetlbfs", FALLOW_BACKING_FILE, PLACE_HUGETLBFS, { 2 * MiB }, true },
	{ "file on ext4", FALLOW_BACKING_FILE, PLACE_EXT4, { 4096 }, true },
};

static const size_t page_sizes[] = { 0, 4096, 8192, 2 * MiB, GiB };
static const char *const shares[] = { "auto", "private", "shared" };
static const char *const populates[] = { "auto", "write", "read", "allocate", "none" };

#define NSOURCES (sizeof(sources) / sizeof(sources[0]))
#define NPAGE_SIZES (sizeof(page_sizes) / sizeof(page_sizes[0]))

static bool has_page_size(const struct source *source, size_t page_size)
{
	if (page_size == 0)
		return true;
	for (int i = 0; source->page_sizes[i] != 0; i++)
		if (source->page_sizes[i] == page_size)
			return true;
	return false;
}

/* Of a mapping as it is by default, brought in for writing or left to faults, no kernel lacks anything. */
static bool must_work(const struct source *source, const struct fallow_arena_options *options)
{
	bool usual = options->share == FALLOW_SHARE_AUTO ||
		     options->share == (source->shared_by_default ? FALLOW_SHARE_SHARED : FALLOW_SHARE_PRIVATE);

	return usual && has_page_size(source, options->page_size) && options->populate != FALLOW_POPULATE_READ &&
	       options->populate != FALLOW_POPULATE_ALLOCATE;
}

/* The system's pool has no page of 1 GiB: such an arena exists, and says no. */
static bool is_empty(const struct fallow_arena_options *options)
{
	return options->page_size == GiB;
}

static void use(struct fallow_arena *arena, const struct fallow_arena_options *options)
{
	static const size_t sizes[] = { 1, 100, 3000, 70000, 1 << 20 };
	struct fallow_arena_stat stat = FALLOW_ARENA_STAT_INIT;
	void *blocks[5];

	must_equal(fallow_arena_stats(arena, &stat), 0);
	if (options->page_size != 0)
		must_equal(stat.page_size, options->page_size);
	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 5; i++) {
			errno = 0;
			blocks[i] = fallow_arena_calloc(arena, 1, sizes[i]);
			must((blocks[i] == NULL) == is_empty(options));
			if (blocks[i] == NULL) {
				must_equal(errno, ENOMEM);
				continue;
			}
			must(pattern_zero(blocks[i], sizes[i]));
			pattern_write(blocks[i], sizes[i], i);
		}
		for (unsigned int i = 0; i < 5; i++) {
			must(blocks[i] == NULL || pattern_holds(blocks[i], sizes[i], i));
			fallow_arena_free(arena, blocks[i]);
		}
		must_equal(fallow_arena_trim(arena, NULL), 0);
	}
}

static void try(const struct source *source, struct fallow_arena_options *options, int *nworked)
{
	struct fallow_arena *arena = NULL;
	char path[128];
	int error;

	if (source->directory != NULL) {
		snprintf(path, sizeof(path), "%s/file", source->directory);
		options->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		must(options->fd >= 0);
	}
	error = fallow_arena_create(options, &arena);
	if (source->directory != NULL)
		close(options->fd);
	if (error == 0) {
		must(arena != NULL);
		/* Where nothing is there, pages that come with faults end in SIGBUS, as the header says. */
		if (!is_empty(options) || options->populate != FALLOW_POPULATE_NONE)
			use(arena, options);
		fallow_arena_destroy(arena);
		++*nworked;
	} else {
		must(arena == NULL);
		must(error == -EINVAL || error == -EOPNOTSUPP);
	}
}

static void try_all(void *argument)
{
	const struct source *source = argument;
	int nworked = 0, nmust = 0;

	for (unsigned int i = 0; i < NPAGE_SIZES; i++)
		for (unsigned int share = 0; share < 3; share++)
			for (unsigned int populate = 0; populate < 5; populate++) {
				struct fallow_arena_options options = FALLOW_ARENA_OPTIONS_INIT;
				int before = nworked;

				options.backing = source->backing;
				options.page_size = page_sizes[i];
				options.share = (enum fallow_share)share;
				options.populate = (enum fallow_populate)populate;
				options.limit = 0;
				/* Said beforehand, so that whoever reads a failure knows whose it is. */
				fprintf(stderr, "%s, page size %zu, share %s, populate %s\n", source->name, page_sizes[i],
					shares[share], populates[populate]);
				try(source, &options, &nworked);
				nmust += must_work(source, &options);
				if (must_work(source, &options))
					must_equal(nworked, before + 1);
				if (!has_page_size(source, page_sizes[i]))
					must_equal(nworked, before);
			}
	printf("%s: %d combinations work, of which %d must\n", source->name, nworked, nmust);
	must(nmust > 0);
}

static void work_or_are_refused(void **state)
{
	static const struct place place = {
		.huge_2m = 16, .tmpfs = 16 * MiB, .hugetlbfs = PLACE_UNSIZED, .ext4 = 32 * MiB,
	};

	assert_lives(&place, try_all, *state);
}

int main(void)
{
	struct source copies[NSOURCES];
	struct CMUnitTest tests[NSOURCES];

	memcpy(copies, sources, sizeof(sources));
	for (size_t i = 0; i < NSOURCES; i++)
		tests[i] = (struct CMUnitTest){ sources[i].name, work_or_are_refused, NULL, NULL, &copies[i] };
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
