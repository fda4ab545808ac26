/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * incremental-checkpoint: a simulation saves what has changed since the last checkpoint, and is restored from all of them.
 *
 * What CRIU, DMTCP and checkpointing libraries do by hand: write 4 to /proc/PID/clear_refs, which forgets the soft-dirty
 * bits of all the process, read an entry a page from /proc/PID/pagemap, and keep the program stopped in between, or a write
 * is lost; collectors of garbage on Windows call GetWriteWatch. What was discarded they find out by another look at the
 * whole page table. Here a collection tells both, page by page, and the writers need not know; they are between two steps
 * here because a checkpoint is to be of one instant.
 */
#include <fallow/fallow.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LENGTH (256 * MIB)
#define NSTEPS 20
#define NRANGES 128
#define LACKS 77 /* a skipped test */

/* A checkpoint is a list of these, each followed by its bytes if it has any. */
struct record {
	size_t offset;
	size_t length;
	unsigned int changes;
};

static void promise(bool holds, const char *what)
{
	if (holds)
		return;
	printf("broken promise: %s\n", what);
	exit(1);
}

static struct fallow_map *create(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct fallow_map *map = NULL;

	options.length = LENGTH;
	promise(fallow_map_create(&options, &map) == 0, "a map costs nothing");
	return map;
}

static uint64_t next(uint64_t *random)
{
	return *random = *random * 6364136223846793005u + 1442695040888963407u;
}

/* Particles move about, some fields are allocated, others are done with. */
static void simulate(struct fallow_map *map, uint64_t *random)
{
	char *base = fallow_map_base(map);
	size_t field = (next(random) >> 33) % (LENGTH / MIB) * MIB;

	for (int i = 0; i < 500; i++) {
		uint64_t value = next(random);
		memcpy(base + (value >> 20) % (LENGTH / 8) * 8, &value, sizeof(value));
	}
	promise(fallow_map_populate(map, field, MIB, FALLOW_POPULATE_WRITE) == 0, "memory can be had");
	memset(base + field, (int)*random, MIB / 4);
	field = (next(random) >> 33) % (LENGTH / MIB) * MIB;
	promise(fallow_map_discard(map, field, MIB) == 0, "memory can be given back");
}

/* Append what has changed since the last time. Pages that are holes by now take no room. */
static size_t checkpoint(struct fallow_map *map, FILE *file)
{
	const char *base = fallow_map_base(map);
	struct fallow_dirty_range ranges[NRANGES];
	size_t n = NRANGES, saved = 0;

	for (size_t at = 0; n == NRANGES; at = ranges[n - 1].offset + ranges[n - 1].length) {
		promise(fallow_dirty_collect(map, at, LENGTH - at, ranges, &n) == 0, "changes can be collected");
		for (size_t i = 0; i < n; i++) {
			struct record record = { ranges[i].offset, ranges[i].length, ranges[i].changes };
			fwrite(&record, sizeof(record), 1, file);
			if (!(record.changes & FALLOW_DIRTY_WRITTEN))
				continue;
			promise(fwrite(base + record.offset, record.length, 1, file) == 1, "there is room for a checkpoint");
			saved += record.length;
		}
		if (n == 0)
			break;
	}
	return saved;
}

static void replay(struct fallow_map *map, FILE *file)
{
	char *base = fallow_map_base(map);
	struct record record;

	while (fread(&record, sizeof(record), 1, file) == 1) {
		if (record.changes & FALLOW_DIRTY_WRITTEN)
			promise(fread(base + record.offset, record.length, 1, file) == 1, "a checkpoint is whole");
		else
			promise(fallow_map_discard(map, record.offset, record.length) == 0, "memory can be given back");
	}
}

int main(void)
{
	struct fallow_map *map = create(), *restored = create();
	FILE *file = tmpfile();
	uint64_t random = 1;
	size_t total = 0;

	promise(file != NULL, "there are files");
	int result = fallow_dirty_start(map);
	if (result == -EOPNOTSUPP) {
		printf("skipped: this kernel cannot track writes\n");
		return LACKS;
	}
	promise(result == 0, "a map can be tracked");
	for (int step = 0; step < NSTEPS; step++) {
		simulate(map, &random);
		size_t saved = checkpoint(map, file);
		total += saved;
		printf("step %2d: %5zu KiB of %zu MiB saved\n", step, saved / 1024, LENGTH / MIB);
	}
	promise(total > 0 && total < NSTEPS * (LENGTH / 16), "a checkpoint costs what has changed");

	rewind(file);
	replay(restored, file);
	promise(memcmp(fallow_map_base(map), fallow_map_base(restored), LENGTH) == 0, "what was saved is what was there");
	printf("restored: %zu KiB in %d checkpoints make the same %zu MiB\n", total / 1024, NSTEPS, LENGTH / MIB);
	fclose(file);
	fallow_map_destroy(restored);
	fallow_map_destroy(map);
	return 0;
}
