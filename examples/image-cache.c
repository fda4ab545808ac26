/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image-cache: decoded images that the kernel may take when memory is short, as they can be decoded again.
 *
 * Browsers do it by hand. Chromium's discardable memory on MADV_FREE puts a mark of its own in place of the first word of
 * each page, and gives up the whole block when one page is gone; on Android it is ashmem, and macOS has purgeable memory,
 * where all is lost or nothing. Here nothing is written into the images, and of an image that lost one page only that page
 * is decoded again.
 */
#include "example.h"

#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define NIMAGES 96
#define IMAGE (512 * KIB)
#define PAGE (4 * KIB)
#define NPAGES (IMAGE / PAGE)

static struct fallow_volatile_arena *cache;
static unsigned char *images[NIMAGES];
static size_t ndecoded; /* pages */

/* What stands for decoding a part of a file: every byte follows from the image and its place. */
static void decode(unsigned char *pixels, size_t image, size_t page)
{
	for (size_t i = 0; i < PAGE; i++)
		pixels[i] = (unsigned char)(image * 31 + page * 7 + i % 251 + 1);
	ndecoded++;
}

static bool is_image(const unsigned char *pixels, size_t image)
{
	for (size_t at = 0; at < IMAGE; at++) {
		if (pixels[at] != (unsigned char)(image * 31 + at / PAGE * 7 + at % PAGE % 251 + 1))
			return false;
	}
	return true;
}

static void load(size_t image)
{
	images[image] = fallow_volatile_alloc(cache, IMAGE);
	promise(images[image] != NULL, "there is room for an image");
	for (size_t page = 0; page < NPAGES; page++)
		decode(images[image] + page * PAGE, image, page);
	promise(fallow_volatile_leave(cache, images[image]) == 0, "an image can be left to the kernel");
}

/* Draw an image: hold it, decode again what it lost, use it, leave it to the kernel. */
static void draw(size_t image)
{
	uint64_t lost[(NPAGES + 63) / 64];

	promise(fallow_volatile_hold(cache, images[image], lost, NULL) == 0, "an image can be held");
	for (size_t page = 0; page < NPAGES; page++) {
		if (lost[page / 64] >> (page % 64) & 1)
			decode(images[image] + page * PAGE, image, page);
	}
	promise(is_image(images[image], image), "what survived is what it was");
	promise(fallow_volatile_leave(cache, images[image]) == 0, "an image can be left to the kernel");
}

static void draw_all(const char *what)
{
	double began = example_ms();

	ndecoded = 0;
	for (size_t image = 0; image < NIMAGES; image++)
		draw(image);
	printf("%-44s %5zu of %zu pages decoded, %3.0f ms, %2zu MiB resident\n", what, ndecoded, NIMAGES * NPAGES,
	       example_ms() - began, example_own("RssAnon:") / MIB);
}

/*
 * Under memory pressure the kernel takes what is volatile before it takes anything else. This asks it to take a part now,
 * so that the example needs no machine that is short of memory.
 */
static void be_short_of_memory(size_t first, size_t end)
{
	size_t before = example_own("RssAnon:"), nbytes = (end - first) * IMAGE;

	/* The larger part of each image. */
	for (size_t image = first; image < end; image++)
		promise(madvise(images[image] + IMAGE / 4, 3 * IMAGE / 4, MADV_PAGEOUT) == 0, "the kernel can be asked");
	size_t after = example_own("RssAnon:");
	printf("  the kernel takes %zu MiB, and writes them nowhere\n", (before - after) / MIB);
	promise(after + nbytes / 2 < before, "what is volatile can be taken");
}

int main(void)
{
	promise(getpagesize() == PAGE, "pages have 4 KiB");
	promise(fallow_volatile_arena_create(NIMAGES * IMAGE, &cache) == 0, "a cache costs nothing");
	for (size_t image = 0; image < NIMAGES; image++)
		load(image);
	printf("%d images are decoded, %zu MiB that the kernel may take\n", NIMAGES, NIMAGES * IMAGE / MIB);

	draw_all("drawn while there is memory:");
	promise(ndecoded == 0, "what nobody took is still there");
	be_short_of_memory(NIMAGES / 2, NIMAGES);
	draw_all("drawn again:");
	promise(ndecoded > 0 && ndecoded <= NIMAGES / 2 * NPAGES * 3 / 4, "only what was lost is decoded again");
	draw_all("and again:");
	promise(ndecoded == 0, "what was decoded again is there");
	fallow_volatile_arena_destroy(cache);
	return 0;
}
