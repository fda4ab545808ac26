/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary program for preloaded.c: it mallocs until NULL, writes all it got, frees it, waits until it is
 * given back without calling anything, and mallocs until NULL again. It knows of fallow only when asking why it was
 * told no.
 *
 *     fill THERE SIZES REASON COUNTER SLACK
 *
 * THERE: bytes that are to be had. SIZES: index into hoard_sizes. REASON: number of the fallow_reason that must be given.
 * COUNTER: "pool" when THERE but for SLACK bytes must be in the system's pool again; "resident" when this process must
 * shrink to what it was at first plus SLACK.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/kernel/hoard.h"
#include "test/lib/place.h"
#include "test/lib/test.h"

/* Ten times the decay that it runs with, for a busy machine. */
#define GIVE_BACK_MS 5000

static void *take(void *handle, size_t size)
{
	(void)handle;
	return malloc(size);
}

static void put(void *handle, void *block)
{
	(void)handle;
	free(block);
}

static size_t usable(void *handle, void *block)
{
	(void)handle;
	return malloc_usable_size(block);
}

/* Bytes that grow as memory is given back. */
static long long spare(const char *counter)
{
	if (strcmp(counter, "pool") == 0)
		return place_free_2m();
	return -test_machine_field("/proc/self/smaps_rollup", "Rss:") * 1024LL;
}

static void wait_until_back(const char *counter, long long least)
{
	for (int waited = 0; waited < GIVE_BACK_MS && spare(counter) < least; waited += 10) {
		/* A small heap of one thread has no helper: it gives back as it is used. */
		if (strcmp(counter, "pool") != 0)
			free(malloc(100000));
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	must_be_least(spare(counter), least);
}

int main(int argc, char **argv)
{
	static char buffer[BUFSIZ];
	struct heap heap = { .take = take, .put = put, .usable = usable };
	struct hoard hoard;
	enum fallow_reason reason;
	long long there, least, before;

	/* What stdio would take for itself must not be what is missing. */
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer));
	must_equal(argc, 6);
	*(void **)&heap.last_failure = dlsym(RTLD_DEFAULT, "fallow_last_failure");
	must(heap.last_failure != NULL);
	there = strtoll(argv[1], NULL, 10);
	reason = (enum fallow_reason)atoi(argv[3]);
	least = (strcmp(argv[4], "pool") == 0 ? there : spare(argv[4])) - strtoll(argv[5], NULL, 10);
	/* What the process has of its own is in one of the pages: of blocks that are large for a page, one less fits. */
	if (strcmp(argv[4], "pool") == 0 && hoard_sizes[strtoul(argv[2], NULL, 10)].sizes[0] * 16 >= (size_t)there)
		there -= (long long)hoard_sizes[strtoul(argv[2], NULL, 10)].sizes[0];
	for (int again = 0; again < 2; again++) {
		before = hoard_private();
		hoard_fill(&hoard, &heap, &hoard_sizes[strtoul(argv[2], NULL, 10)], reason, 2 * there);
		if (reason == FALLOW_REASON_COMMIT_LIMIT) /* of which others may have had some meanwhile */
			there = hoard_private() - before + hoard_committable();
		hoard_check(&hoard, &heap);
		hoard_must_be_most_of(&hoard, there, again ? "preloaded, and again" : "preloaded, at first");
		hoard_empty(&hoard, &heap);
		wait_until_back(argv[4], least);
	}
	return 0;
}
