/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest-ram: memory for a virtual machine that is there before the guest starts.
 *
 * QEMU does this by hand (qemu_prealloc_mem in util/oslib-posix.c): it starts threads that touch every page, or call
 * MADV_POPULATE_WRITE, under a handler for SIGBUS that jumps out of the loop; there is no progress, no cancel, and what
 * was brought in before the end of memory stays. Here it is one call, which says no where memory ends.
 */
#include "example.h"

#include <errno.h>

#define RAM (192 * MIB)
#define BAR 32

struct bar {
	size_t shown;     /* characters */
	size_t cancel_at; /* bytes, 0: never */
};

static bool show(struct fallow_map *map, size_t done, size_t total, void *context)
{
	struct bar *bar = context;

	(void)map;
	for (; bar->shown < done * BAR / total; bar->shown++)
		putchar('#');
	fflush(stdout);
	return bar->cancel_at == 0 || done < bar->cancel_at;
}

static int preallocate(struct fallow_map *map, struct bar *bar)
{
	struct fallow_populate_options options = FALLOW_POPULATE_OPTIONS_INIT;
	double began = example_ms();

	options.progress = show;
	options.context = bar;
	printf("  [");
	int result = fallow_map_populate_with(map, 0, RAM, &options);
	printf("%*s] %s, %.0f ms, %zu MiB resident\n", (int)(BAR - bar->shown), "",
	       result == 0 ? "ready" : strerror(-result), example_ms() - began, example_own("VmRSS:") / MIB);
	return result;
}

int main(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct bar bar = { .cancel_at = RAM / 2 };
	size_t idle = example_own("VmRSS:");

	options.length = RAM;
	options.thp = FALLOW_THP_ALWAYS;
	struct fallow_map *ram = example_map(&options);

	printf("A guest of %zu MiB, and somebody presses ^C half way:\n", RAM / MIB);
	promise(preallocate(ram, &bar) == -ECANCELED, "it can be cancelled");
	promise(example_own("VmRSS:") < idle + 8 * MIB, "what is cancelled leaves nothing behind");

	printf("Started again on a host that has less to give:\n");
	bar = (struct bar){ 0 };
	promise(fallow_map_set_limit(ram, RAM - MIB) == 0 && preallocate(ram, &bar) == -ENOMEM, "no is an answer");
	printf("  because: %s\n", example_why());
	promise(example_own("VmRSS:") < idle + 8 * MIB, "what fails leaves nothing behind");

	printf("And on one that has enough:\n");
	bar = (struct bar){ 0 };
	promise(fallow_map_set_limit(ram, 0) == 0 && preallocate(ram, &bar) == 0, "what there is can be had");
	promise(bar.shown == BAR, "progress is told to the end");
	promise(example_own("VmRSS:") > RAM, "all of it is there");
	memset(fallow_map_base(ram), 1, RAM);
	fallow_map_destroy(ram);
	promise(example_own("VmRSS:") < idle + 8 * MIB, "it is all given back");
	return 0;
}
