/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a populate of a shared map on huge pages that fails takes away what it brought in and nothing else, although
 * no system call lists what such a file has: neither pages that were in the file before, nor those that another process
 * has brought in since, which are in no page table of this one.
 */
#include <errno.h>

#include "test/api/map-kinds.h"
#include "test/kernel/backings.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define HUGE (2 * MiB)
#define POOL 6
#define NPAGES 16
#define BEFORE 3  /* the page that is in the file before it is mapped */
#define OTHERS 9  /* the page that another process writes to */
#define OURS 5    /* the page that is populated */

static void write_in_child(char *page)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		memset(page, 'o', HUGE);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child && status == 0);
}

static void must_leave_others_alone(struct fallow_map *map, bool had_content)
{
	char *base = fallow_map_base(map);

	must_equal(fallow_map_populate(map, OURS * HUGE, HUGE, FALLOW_POPULATE_WRITE), 0);
	memset(base + OURS * HUGE, 'p', HUGE);
	write_in_child(base + OTHERS * HUGE);
	long long there = place_free_2m();
	for (int i = 0; i < 3; i++) {
		must_equal(fallow_map_populate(map, 0, NPAGES * HUGE, FALLOW_POPULATE_WRITE), -ENOMEM);
		must_equal(place_free_2m(), there);
		must_equal(map_populated(map), HUGE);
	}
	must(map_reads(base + OURS * HUGE, HUGE, 'p'));
	must(map_reads(base + OTHERS * HUGE, HUGE, 'o'));
	if (had_content)
		must(map_reads(base + BEFORE * HUGE, HUGE, 'b'));
}

static void of_own_file(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	(void)unused;
	options.backing = FALLOW_BACKING_MEMFD;
	options.page_size = HUGE;
	options.length = NPAGES * HUGE;
	struct fallow_map *map = map_create(&options);
	must_leave_others_alone(map, false);
	fallow_map_destroy(map);
}

static void of_file_with_content(void *unused)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	(void)unused;
	options.backing = FALLOW_BACKING_FILE;
	options.length = NPAGES * HUGE;
	options.fd = backing_file(PLACE_HUGETLBFS);
	must_equal(ftruncate(options.fd, NPAGES * HUGE), 0);
	char *page = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, options.fd, BEFORE * HUGE);
	must(page != MAP_FAILED);
	memset(page, 'b', HUGE);
	must_equal(munmap(page, HUGE), 0);
	struct fallow_map *map = map_create(&options);
	must_leave_others_alone(map, true);
	map_end(map, &options);
}

static void own_file(void **state)
{
	static const struct place place = { .huge_2m = POOL };

	(void)state;
	assert_lives(&place, of_own_file, NULL);
}

static void file_with_content(void **state)
{
	static const struct place place = { .huge_2m = POOL, .hugetlbfs = PLACE_UNSIZED };

	(void)state;
	assert_lives(&place, of_file_with_content, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_file),
		cmocka_unit_test(file_with_content),
	};

	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
