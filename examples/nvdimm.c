/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nvdimm [DIRECTORY]: a file that a guest sees as a disk of memory, mostly read.
 *
 * QEMU's memory-backend-file with share=on, under a virtual NVDIMM that has a root filesystem: preallocating it by write
 * faults dirties all of the file and fills its holes, so people turn preallocation off and take the faults while the
 * guest boots. Here all of it is populated for reading, which dirties nothing, and for writing what will be written.
 */
#include "example.h"

#include <fcntl.h>
#include <unistd.h>

#define DISK (96 * MIB)
#define DATA (4 * MIB)     /* at each STRIDE */
#define STRIDE (16 * MIB)
#define JOURNAL (80 * MIB) /* where the guest writes: a hole so far */
#define JOURNAL_SIZE (4 * MIB)

static int make_disk(const char *directory)
{
	char path[4096];
	char *data = malloc(DATA);

	snprintf(path, sizeof(path), "%s/nvdimm.XXXXXX", directory);
	int fd = mkstemp(path);
	promise(fd >= 0 && data != NULL && ftruncate(fd, DISK) == 0, "there is a place for a file");
	unlink(path);
	memset(data, 'r', DATA);
	for (size_t at = 0; at < JOURNAL; at += STRIDE)
		promise(pwrite(fd, data, DATA, (off_t)at) == (ssize_t)DATA, "there is room for a file");
	promise(fsync(fd) == 0, "the file is on disk");
	free(data);
	return fd;
}

static uint64_t show(struct fallow_map *map, const char *what, double began)
{
	struct fallow_map_stat stat = example_stat(map);

	printf("%-36s %5.1f ms, %3zu MiB mapped, %5.1f MiB on disk\n", what, example_ms() - began, stat.populated / MIB,
	       (double)stat.storage / (double)MIB);
	return stat.storage;
}

/* Boot: read all of it. */
static size_t count_data(const char *disk)
{
	size_t n = 0;

	for (size_t at = 0; at < DISK; at += 4 * KIB)
		n += disk[at] == 'r';
	return n * 4 * KIB;
}

int main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : getenv("TMPDIR");
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	int fd = make_disk(directory ? directory : "/tmp");
	char record[] = "committed", on_disk[sizeof(record)];

	options.backing = FALLOW_BACKING_FILE;
	options.share = FALLOW_SHARE_SHARED;
	options.fd = fd;
	struct fallow_map *map = example_map(&options);
	char *disk = fallow_map_base(map);
	double began = example_ms();
	uint64_t had = show(map, "a disk of 96 MiB, 20 of them data", began);

	began = example_ms();
	promise(fallow_map_populate(map, 0, DISK, FALLOW_POPULATE_READ) == 0, "what is in a file can be read");
	promise(show(map, "populated for reading", began) == had, "reading fills no hole");

	began = example_ms();
	promise(count_data(disk) == JOURNAL / STRIDE * DATA, "it reads as it was written");
	promise(show(map, "the guest boots, without a fault", began) == had, "reading fills no hole");

	began = example_ms();
	promise(fallow_map_populate(map, JOURNAL, JOURNAL_SIZE, FALLOW_POPULATE_WRITE) == 0, "there is room to write");
	uint64_t has = show(map, "its journal populated for writing", began);
	promise(has >= had + JOURNAL_SIZE && has < had + 2 * JOURNAL_SIZE, "the journal has its blocks, and nothing else has");

	began = example_ms();
	memcpy(disk + JOURNAL, record, sizeof(record));
	promise(fsync(fd) == 0, "what is written gets to the disk");
	show(map, "the guest writes, and flushes", began);
	promise(pread(fd, on_disk, sizeof(on_disk), JOURNAL) == (ssize_t)sizeof(on_disk) && strcmp(on_disk, record) == 0,
		"what is written is in the file");

	began = example_ms();
	promise(fallow_map_discard(map, JOURNAL, JOURNAL_SIZE) == 0, "holes can be punched");
	promise(show(map, "and discards the journal (TRIM)", began) <= had + 64 * KIB, "a discard frees blocks");
	fallow_map_destroy(map);
	close(fd);
	return 0;
}
