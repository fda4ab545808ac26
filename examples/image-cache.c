/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image-cache: decoded images that the kernel may take when memory is short, as they can be decoded again.
 *
 * Browsers do it by hand (Chromium's discardable memory on Android's ashmem or on MADV_FREE, a whole segment at once, with a
 * header word to tell whether it is still there), macOS has purgeable volumes and NSPurgeableData. Here it is page by page,
 * and nothing is written into the images: when one page of an image is lost, only that page is decoded again.
 */
#include "example.h"

#include <sys/mman.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define NIMAGES 96
#define IMAGE (512 * KIB)
#define PAGE (4 * KIB)
#define NPAGES (IMAGE / PAGE)

static struct fallow_map *cache;
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

/* Decode the pages that are lost. A page at a time is what the kernel may have left us. */
static void mend(size_t image, const uint64_t *lost)
{
	unsigned char *pixels = (unsigned char *)fallow_map_base(cache) + image * IMAGE;

	for (size_t page = 0; page < NPAGES; page++) {
		if (!(lost[page / 64] >> (page % 64) & 1))
			continue;
		size_t offset = image * IMAGE + page * PAGE;
		promise(fallow_map_populate(cache, offset, PAGE, FALLOW_POPULATE_WRITE) == 0, "a page can be had");
		decode(pixels + page * PAGE, image, page);
	}
}

/* Draw an image: take it back, mend it, use it, leave it to the kernel again. */
static void draw(size_t image)
{
	uint64_t lost[(NPAGES + 63) / 64];

	promise(fallow_volatile_end(cache, image * IMAGE, IMAGE, lost, NULL) == 0, "an image can be taken back");
	mend(image, lost);
	promise(is_image((unsigned char *)fallow_map_base(cache) + image * IMAGE, image), "what survived is what it was");
	promise(fallow_volatile_begin(cache, image * IMAGE, IMAGE) == 0, "an image can be left to the kernel");
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
static void be_short_of_memory(size_t first, size_t nimages)
{
	char *from = (char *)fallow_map_base(cache) + first * IMAGE;
	size_t before = example_own("RssAnon:");

	promise(madvise(from, nimages * IMAGE, MADV_PAGEOUT) == 0, "the kernel can be asked");
	printf("  the kernel takes %zu MiB, and writes them nowhere\n", (before - example_own("RssAnon:")) / MIB);
	promise(example_own("RssAnon:") + nimages * IMAGE / 2 < before, "what is volatile can be taken");
}

int main(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;

	options.length = NIMAGES * IMAGE;
	options.thp = FALLOW_THP_NEVER;
	cache = example_map(&options);
	promise(fallow_map_page_size(cache) == PAGE, "pages have 4 KiB");
	for (size_t image = 0; image < NIMAGES; image++) {
		uint64_t all[(NPAGES + 63) / 64];

		memset(all, 0xff, sizeof(all));
		mend(image, all);
		promise(fallow_volatile_begin(cache, image * IMAGE, IMAGE) == 0, "an image can be left to the kernel");
	}
	printf("%d images are cached, %zu MiB that the kernel may take\n", NIMAGES, example_stat(cache).purgeable / MIB);
	promise(example_stat(cache).purgeable == NIMAGES * IMAGE, "all of it is volatile");

	draw_all("drawn while there is memory:");
	promise(ndecoded == 0, "what nobody took is still there");
	be_short_of_memory(NIMAGES / 2, NIMAGES / 2);
	draw_all("drawn again:");
	promise(ndecoded > 0 && ndecoded <= NIMAGES / 2 * NPAGES, "only what was lost is decoded again");
	draw_all("and again:");
	promise(ndecoded == 0, "what was decoded again is there");
	fallow_map_destroy(cache);
	return 0;
}
