/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balloon: a guest's memory goes back to the host while the guest runs, and comes again.
 *
 * What QEMU does by hand for virtio-balloon and virtio-mem: fallocate(FALLOC_FL_PUNCH_HOLE) or madvise(MADV_DONTNEED),
 * whichever gives memory back on this backing, bitmaps of what is plugged, and its own MADV_POPULATE_WRITE, with a guess at
 * what to undo when that fails half way. A device process that reads a page which is in the balloon brings it back,
 * unnoticed. Here such a touch traps, and the host can refuse.
 */
#include "example.h"

#include <errno.h>
#include <unistd.h>

#define RAM (128 * MIB)
#define BLOCK (4 * MIB)

static char *base;
static struct fallow_map *ram;

static void show(const char *what)
{
	struct fallow_map_stat stat = example_stat(ram);

	printf("%-30s ", what);
	for (size_t at = 0; at < RAM; at += BLOCK) {
		uint64_t is_there;

		promise(fallow_map_bitmap(ram, at, stat.page_size, FALLOW_PAGE_POPULATED, &is_there) == 0, "a map can be asked");
		putchar(is_there ? '#' : '.');
	}
	printf(" %3zu MiB populated, %3zu MiB of memory\n", stat.populated / MIB, (size_t)stat.storage / MIB);
	promise(stat.storage <= stat.populated + MIB, "what is in the balloon is the host's again");
}

/* Take every second block of the guest's upper half. */
static void inflate(void)
{
	for (size_t at = RAM / 2; at < RAM; at += 2 * BLOCK)
		promise(fallow_map_discard(ram, at, BLOCK) == 0, "memory can be given back");
}

static int deflate(void)
{
	int result = 0;

	for (size_t at = RAM / 2; at < RAM && result == 0; at += 2 * BLOCK)
		result = fallow_map_populate(ram, at, BLOCK, FALLOW_POPULATE_WRITE);
	return result;
}

/* As a device would send a page: what system calls meet is an error and no signal. */
static bool can_be_read(size_t offset)
{
	int ends[2];

	promise(pipe(ends) == 0, "there are pipes");
	ssize_t n = write(ends[1], base + offset, 1);
	promise(n == 1 || errno == EFAULT, "a hole is EFAULT");
	close(ends[0]);
	close(ends[1]);
	return n == 1;
}

static void must_be_as_written(void)
{
	for (size_t at = 0; at < RAM; at += BLOCK)
		promise(!can_be_read(at) || base[at] == 'g' || base[at] == 0, "the guest's memory is as it left it");
	for (size_t at = RAM / 2 + BLOCK; at < RAM; at += 2 * BLOCK)
		promise(base[at] == 'g' && base[at + BLOCK - 1] == 'g', "the balloon takes its blocks and no other");
}

int main(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	/* Shared, as device processes map it, too. */
	options.backing = FALLOW_BACKING_MEMFD;
	options.length = RAM;
	options.guard = FALLOW_GUARD_TRAP;
	ram = example_map(&options);
	base = fallow_map_base(ram);
	show("a guest that has not started");

	promise(fallow_map_populate(ram, 0, RAM, FALLOW_POPULATE_WRITE) == 0, "what there is can be had");
	memset(base, 'g', RAM);
	show("it runs");

	inflate();
	show("the balloon is inflated");
	promise(!can_be_read(RAM / 2), "a touch of what is in the balloon does not bring it back");
	promise(can_be_read(RAM / 2 + BLOCK), "what is not in it is there");
	show("a device touched the balloon");
	must_be_as_written();

	/* Others have taken what was given back. */
	promise(fallow_map_set_limit(ram, RAM - 3 * BLOCK) == 0, "the host may set a limit");
	promise(deflate() == -ENOMEM, "no is an answer");
	show("the host has less to give");
	printf("%30s because: %s\n", "", example_why());
	must_be_as_written();

	promise(fallow_map_set_limit(ram, 0) == 0 && deflate() == 0, "what there is can be had");
	show("and then all of it again");
	promise(base[RAM / 2] == 0 && base[RAM / 2 + BLOCK] == 'g', "what comes back is zero");
	must_be_as_written();
	fallow_map_destroy(ram);
	return 0;
}
