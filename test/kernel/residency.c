/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading /proc/self/maps and /proc/self/pagemap without a heap; see residency.h.
 */
#include "test/kernel/residency.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/lib/place.h"
#include "test/lib/test.h"

#define PAGE ((size_t)4096)
#define PRESENT ((uint64_t)1 << 63)

struct mapping {
	uintptr_t start, end;
	const char *object; /* the path; each mapping of anonymous huge pages has an inode of its own */
	size_t length;      /* of that text */
};

/* The next line of /proc/self/maps: "start-end perms offset device inode path". */
static const char *parse(const char *line, struct mapping *mapping)
{
	const char *end = strchr(line, '\n');
	char *at;

	mapping->start = strtoul(line, &at, 16);
	mapping->end = strtoul(at + 1, &at, 16);
	for (int field = 0; field < 4; field++) /* permissions, offset, device, inode */
		at = strchr(at + 1, ' ');
	mapping->object = at + strspn(at, " ");
	mapping->length = (size_t)(end - mapping->object);
	return end + 1;
}

static const char *read_maps(size_t *room)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t filled = 0;
	ssize_t got;
	char *text;

	*room = 16 << 20;
	text = mmap(NULL, *room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(fd >= 0 && text != MAP_FAILED);
	while ((got = read(fd, text + filled, *room - 1 - filled)) > 0)
		filled += (size_t)got;
	close(fd);
	return text;
}

/* Where the mappings of the object at address begin and end. */
static void find(uintptr_t address, uintptr_t *start, uintptr_t *end)
{
	size_t room;
	const char *text = read_maps(&room);
	struct mapping run = { 0 };

	for (const char *line = text; *line != '\0';) {
		struct mapping mapping;

		line = parse(line, &mapping);
		if (mapping.start == run.end && mapping.length == run.length &&
		    memcmp(mapping.object, run.object, run.length) == 0)
			run.end = mapping.end;
		else if (run.start <= address && address < run.end)
			break;
		else
			run = mapping;
	}
	must(run.start <= address && address < run.end);
	*start = run.start;
	*end = run.end;
	munmap((void *)(uintptr_t)text, room);
}

void residency_take(struct residency *residency, const void *address)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uintptr_t end;

	find((uintptr_t)address, &residency->start, &end);
	must_be_most(end - residency->start, RESIDENCY_MAX);
	residency->npages = (end - residency->start) / PAGE;
	residency->npresent = 0;
	residency->pages = mmap(NULL, residency->npages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(pagemap >= 0 && residency->pages != MAP_FAILED);
	for (size_t i = 0; i < residency->npages;) {
		uint64_t entries[512];
		size_t n = residency->npages - i < 512 ? residency->npages - i : 512;

		must_equal(pread(pagemap, entries, n * 8, (off_t)((residency->start / PAGE + i) * 8)), n * 8);
		for (size_t j = 0; j < n; j++, i++) {
			residency->pages[i] = (entries[j] & PRESENT) != 0;
			residency->npresent += residency->pages[i];
		}
	}
	close(pagemap);
}

static unsigned char present(const struct residency *residency, uintptr_t address)
{
	uintptr_t end = residency->start + residency->npages * PAGE;

	return address >= residency->start && address < end ? residency->pages[(address - residency->start) / PAGE] : 0;
}

void residency_must_be_same(const struct residency *before, const struct residency *after)
{
	uintptr_t start = before->start < after->start ? before->start : after->start;
	uintptr_t before_end = before->start + before->npages * PAGE, after_end = after->start + after->npages * PAGE;
	uintptr_t end = before_end > after_end ? before_end : after_end;
	size_t came = 0, went = 0;

	for (uintptr_t address = start; address < end; address += PAGE) {
		came += present(after, address) && !present(before, address);
		went += present(before, address) && !present(after, address);
	}
	must_equal(came, 0);
	must_equal(went, 0);
	must_equal(before->npresent, after->npresent);
}

void residency_drop(struct residency *residency)
{
	munmap(residency->pages, residency->npages);
}
