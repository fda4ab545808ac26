/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves cell by cell what fallow-backings(7) says of which operation each backing has: "yes" works on this kernel, and
 * "no" is -EOPNOTSUPP with the map as it was. The tables are read from the page itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "test/api/map-kinds.h"
#include "test/kernel/map-places.h"
#include "test/lib/lives.h"

#define MiB ((size_t)1 << 20)
#define LENGTH (8 * MiB)
#define HALF (LENGTH / 2)
#define HUGE (2 * MiB)
#define NCOLUMNS 8
#define NROWS 32
#define ROOM 32

struct table {
	const char *title; /* of its section */
	enum fallow_share share;
	size_t ncolumns;
	size_t nrows;
	char columns[NCOLUMNS][ROOM];
	char rows[NROWS][ROOM];
	char cells[NROWS][NCOLUMNS][ROOM];
};

/* The map of a column, half of which is populated; and what the operation answers. */
struct subject {
	struct fallow_map_options options;
	struct fallow_map *map;
};

typedef int operation_fn(const struct subject *subject);

static int create(const struct subject *subject)
{
	struct fallow_map *map = NULL;
	int result = fallow_map_create(&subject->options, &map);

	fallow_map_destroy(map);
	return result;
}

static int guard(const struct subject *subject)
{
	struct fallow_map_options options = subject->options;
	struct fallow_map *map;

	options.guard = FALLOW_GUARD_TRAP;
	int result = fallow_map_create(&options, &map);
	if (result != 0)
		return result;
	must_equal(map_touch((char *)fallow_map_base(map) + HALF), SIGSEGV);
	fallow_map_destroy(map);
	return 0;
}

static int resize(const struct subject *subject)
{
	int result = fallow_map_resize(subject->map, HALF);

	return result == 0 ? fallow_map_resize(subject->map, LENGTH) : result;
}

static int populate_write(const struct subject *subject)
{
	return fallow_map_populate(subject->map, HALF, HUGE, FALLOW_POPULATE_WRITE);
}

static int populate_read(const struct subject *subject)
{
	return fallow_map_populate(subject->map, HALF, HUGE, FALLOW_POPULATE_READ);
}

static int populate_allocate(const struct subject *subject)
{
	return fallow_map_populate(subject->map, HALF, HUGE, FALLOW_POPULATE_ALLOCATE);
}

static int collapse(const struct subject *subject)
{
	return fallow_map_collapse(subject->map, 0, HUGE);
}

static int discard(const struct subject *subject)
{
	int result = fallow_map_discard(subject->map, 0, HUGE);

	must(result != 0 || *(volatile char *)fallow_map_base(subject->map) == 0);
	return result;
}

static int residency(const struct subject *subject)
{
	struct fallow_map_range range;
	size_t n = 1;
	int result = fallow_map_residency(subject->map, 0, LENGTH, &range, &n);

	must(result != 0 || (n == 1 && range.offset == 0 && range.states & FALLOW_PAGE_POPULATED));
	return result;
}

static int dirty(const struct subject *subject)
{
	struct fallow_dirty_range range;
	size_t n = 1;
	int result = fallow_dirty_start(subject->map);

	if (result != 0)
		return result;
	*(volatile char *)fallow_map_base(subject->map) = 'd';
	result = fallow_dirty_collect(subject->map, 0, LENGTH, &range, &n);
	must(result != 0 || (n == 1 && range.offset == 0 && range.length == fallow_map_page_size(subject->map)));
	fallow_dirty_stop(subject->map);
	return result;
}

static int take(struct fallow_map *map, int image, enum fallow_snapshot_kind kind)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_snapshot *snapshot;

	options.kind = kind;
	int result = fallow_snapshot_take(map, image, &options, &snapshot);
	return result == 0 ? fallow_snapshot_wait(snapshot) : result;
}

static int snapshot(const struct subject *subject)
{
	int image = memfd_create("image", MFD_CLOEXEC);
	int result = take(subject->map, image, FALLOW_SNAPSHOT_WHOLE);

	close(image);
	return result;
}

static int chain(const struct subject *subject)
{
	int image = memfd_create("image", MFD_CLOEXEC);
	int result = take(subject->map, image, FALLOW_SNAPSHOT_BASE);

	if (result == 0)
		result = take(subject->map, image, FALLOW_SNAPSHOT_CHANGES);
	close(image);
	return result;
}

static int restore(const struct subject *subject)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	int image = memfd_create("image", MFD_CLOEXEC);

	options.length = HUGE;
	struct fallow_map *map = map_create(&options);
	memset(fallow_map_base(map), 'r', HUGE);
	must_equal(take(map, image, FALLOW_SNAPSHOT_WHOLE), 0);
	fallow_map_destroy(map);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	int result = fallow_snapshot_restore(subject->map, image, NULL);
	must(result != 0 || map_reads(fallow_map_base(subject->map), HUGE, 'r'));
	close(image);
	return result;
}

static int make_volatile(const struct subject *subject)
{
	int result = fallow_volatile_begin(subject->map, 0, HUGE);

	return result == 0 ? fallow_volatile_end(subject->map, 0, HUGE, NULL, NULL) : result;
}

static const struct operation {
	const char *name;
	operation_fn *answer;
} operations[] = {
	{ "create", create },
	{ "guard", guard },
	{ "resize", resize },
	{ "populate WRITE", populate_write },
	{ "populate READ", populate_read },
	{ "populate ALLOCATE", populate_allocate },
	{ "collapse", collapse },
	{ "discard", discard },
	{ "residency", residency },
	{ "dirty", dirty },
	{ "snapshot", snapshot },
	{ "chain", chain },
	{ "restore", restore },
	{ "volatile", make_volatile },
};

#define NOPERATIONS (sizeof(operations) / sizeof(operations[0]))

#define OPTIONS(...) MAP_OPTIONS(.length = LENGTH, __VA_ARGS__)
#define POOL (4 * LENGTH / HUGE)

static const struct map_place columns[] = {
	{ .name = "anon", .options = OPTIONS(.thp = FALLOW_THP_AUTO) },
	{ .name = "thp", .options = OPTIONS(.thp = FALLOW_THP_ALWAYS) },
	{ .name = "memfd", .options = OPTIONS(.backing = FALLOW_BACKING_MEMFD) },
	{ .name = "tmpfs", .options = OPTIONS(.backing = FALLOW_BACKING_FILE), .place.tmpfs = 64 * MiB,
	  .directory = PLACE_TMPFS },
	{ .name = "disk", .options = OPTIONS(.backing = FALLOW_BACKING_FILE), .place.ext4 = 64 * MiB,
	  .directory = PLACE_EXT4 },
	{ .name = "hugetlb", .options = OPTIONS(.backing = FALLOW_BACKING_HUGETLB), .place.huge_2m = POOL },
	{ .name = "hugememfd", .options = OPTIONS(.backing = FALLOW_BACKING_MEMFD, .page_size = HUGE), .place.huge_2m = POOL },
	{ .name = "hugetlbfs", .options = OPTIONS(.backing = FALLOW_BACKING_FILE), .directory = PLACE_HUGETLBFS,
	  .place = { .huge_2m = POOL, .hugetlbfs = PLACE_UNSIZED } },
};

static struct table tables[] = {
	{ .title = ".Ss Private maps", .share = FALLOW_SHARE_PRIVATE },
	{ .title = ".Ss Shared maps", .share = FALLOW_SHARE_SHARED },
};

/* The next cell of a line, without the blanks around it; false at its end. */
static bool next_cell(char **line, char cell[ROOM])
{
	if (*line == NULL)
		return false;
	char *start = *line, *end = strstr(start, " Ta ");
	*line = end ? end + 4 : NULL;
	size_t length = end ? (size_t)(end - start) : strcspn(start, "\n");
	must(length < ROOM);
	memcpy(cell, start, length);
	cell[length] = '\0';
	return true;
}

static void read_row(struct table *table, char *line)
{
	size_t n = 0;

	must(table->nrows < NROWS && next_cell(&line, table->rows[table->nrows]));
	while (n < table->ncolumns && next_cell(&line, table->cells[table->nrows][n]))
		n++;
	must(n == table->ncolumns && line == NULL);
	table->nrows++;
}

static void read_head(struct table *table, char *line)
{
	char corner[ROOM];

	must(next_cell(&line, corner));
	while (line != NULL) {
		must(table->ncolumns < NCOLUMNS);
		next_cell(&line, table->columns[table->ncolumns++]);
	}
}

static void read_table(FILE *page, struct table *table)
{
	char line[256];

	rewind(page);
	while (fgets(line, sizeof(line), page) && strncmp(line, table->title, strlen(table->title)) != 0)
		;
	while (fgets(line, sizeof(line), page) && strcmp(line, ".El\n") != 0) {
		if (strncmp(line, ".It Sy ", 7) == 0)
			read_head(table, line + 7);
		else if (strncmp(line, ".It ", 4) == 0)
			read_row(table, line + 4);
	}
}

static void read_tables(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/man/fallow-backings.7", getenv("top_srcdir"));
	FILE *page = fopen(path, "re");
	must(page != NULL);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		read_table(page, &tables[i]);
	fclose(page);
}

static const struct map_place *column_named(const char *name)
{
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	}
	printf("no such column: %s\n", name);
	must(false);
	return NULL;
}

static struct subject subject_of(const struct map_place *column, enum fallow_share share)
{
	struct subject subject = { .options = map_place_options(column) };

	subject.options.share = share;
	subject.map = map_create(&subject.options);
	must_equal(fallow_map_populate(subject.map, 0, HALF, FALLOW_POPULATE_WRITE), 0);
	memset(fallow_map_base(subject.map), 's', HALF);
	return subject;
}

/* The row's operation on a map of its own. */
static void must_answer(const struct operation *operation, const char *cell, const struct map_place *column,
			enum fallow_share share)
{
	struct subject subject = subject_of(column, share);
	bool yes = strcmp(cell, "yes") == 0;
	int result = operation->answer(&subject);

	must(yes || strcmp(cell, "no") == 0);
	if (result != (yes ? 0 : -EOPNOTSUPP)) {
		printf("%s, %s: \"%s\" in the table, but the answer is %d\n", operation->name, column->name, cell, result);
		fflush(stdout);
		must(false);
	}
	if (!yes) {
		must_equal(map_populated(subject.map), HALF);
		must(map_reads(fallow_map_base(subject.map), HALF, 's'));
	}
	map_end(subject.map, &subject.options);
}

struct job {
	const struct table *table;
	size_t column;
};

static void check_column(void *argument)
{
	const struct job *job = argument;
	const struct table *table = job->table;
	const struct map_place *column = column_named(table->columns[job->column]);

	must_equal(table->nrows, NOPERATIONS);
	for (size_t row = 0; row < NOPERATIONS; row++) {
		must(strcmp(operations[row].name, table->rows[row]) == 0);
		must_answer(&operations[row], table->cells[row][job->column], column, table->share);
	}
}

static void is_as_the_table_says(void **state)
{
	const struct table *table = *state;

	must(table->ncolumns > 0);
	for (size_t i = 0; i < table->ncolumns; i++) {
		struct job job = { table, i };
		assert_lives(&column_named(table->columns[i])->place, check_column, &job);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "private maps", is_as_the_table_says, NULL, NULL, &tables[0] },
		{ "shared maps", is_as_the_table_says, NULL, NULL, &tables[1] },
	};

	read_tables();
	return lives_end(cmocka_run_group_tests(tests, NULL, NULL));
}
