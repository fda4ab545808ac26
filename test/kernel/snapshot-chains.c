/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every backing that can be protected that a chain of images, restored one by one, makes the content of each
 * instant, and that no image has a page that nobody touched since the one before, while pages are written, read, populated,
 * discarded and cut off at random, also while an image is being written. A model knows what each page holds.
 */
#include "test/api/snapshot-kinds.h"
#include "test/kernel/map-places.h"
#include "test/lib/lives.h"
#include "test/unit/random.h"

#define NPAGES 2048
#define NPAGES_HUGE 16
#define NIMAGES 60
#define NSTEPS 24  /* between two images at most */
#define NWRITES 32 /* in a step at most */
#define CHECKED 4096 /* bytes of each page */

struct model {
	struct fallow_map *map;
	uint64_t *base;
	size_t page;
	size_t nmost;
	size_t npages;
	uint64_t random;
	bool guarded;            /* everything is populated at all times */
	uint64_t value[NPAGES];  /* of the page's word; all others are 0 */
	bool touched[NPAGES];    /* since the last image */
	size_t ntotal;           /* pages in images of changes */
	size_t nimages;
};

/* One of a page's words, not the same in all. */
static size_t word_of(size_t page)
{
	return page * 7 % (CHECKED / sizeof(uint64_t));
}

static void touch(struct model *m, size_t first, size_t npages)
{
	for (size_t page = first; page < first + npages; page++)
		m->touched[page] = true;
}

static void write_one(struct model *m)
{
	size_t page = random_below(&m->random, m->npages);
	/* Zero now and then: the page is a hole in the image. */
	uint64_t value = random_below(&m->random, 8) ? random_next(&m->random) : 0;

	m->base[page * (m->page / sizeof(value)) + word_of(page)] = m->value[page] = value;
	touch(m, page, 1);
}

/* A random range of at most an eighth of the map. */
static size_t choose(struct model *m, size_t *npages)
{
	size_t first = random_below(&m->random, m->npages), left = m->npages - first;

	*npages = 1 + random_below(&m->random, m->npages / 8);
	*npages = *npages < left ? *npages : left;
	return first;
}

static void populate(struct model *m, size_t first, size_t npages)
{
	must_equal(fallow_map_populate(m->map, first * m->page, npages * m->page, FALLOW_POPULATE_WRITE), 0);
	touch(m, first, npages);
}

static void discard_some(struct model *m)
{
	size_t npages, first = choose(m, &npages);

	must_equal(fallow_map_discard(m->map, first * m->page, npages * m->page), 0);
	memset(&m->value[first], 0, npages * sizeof(m->value[0]));
	if (m->guarded)
		populate(m, first, npages);
}

static void populate_some(struct model *m)
{
	size_t npages, first = choose(m, &npages);

	populate(m, first, npages);
}

static void read_some(struct model *m)
{
	size_t npages, first = choose(m, &npages);

	for (size_t page = first; page < first + npages; page++)
		must_equal(((volatile uint64_t *)m->base)[page * (m->page / sizeof(uint64_t)) + word_of(page)], m->value[page]);
	touch(m, first, npages);
}

static void work(struct model *m)
{
	for (size_t n = random_below(&m->random, NSTEPS); n > 0; n--) {
		for (size_t i = random_below(&m->random, NWRITES); i > 0; i--)
			write_one(m);
		switch (random_below(&m->random, 8)) {
		case 0:
			discard_some(m);
			break;
		case 1:
			populate_some(m);
			break;
		case 2:
			read_some(m);
			break;
		}
	}
}

static void resize(struct model *m)
{
	size_t before = m->npages;

	m->npages = m->nmost / 2 + random_below(&m->random, m->nmost / 2) + 1;
	must_equal(fallow_map_resize(m->map, m->npages * m->page), 0);
	for (size_t page = m->npages; page < m->nmost; page++)
		m->value[page] = 0;
	if (m->guarded && before < m->npages)
		populate(m, before, m->npages - before);
}

/* The image of the map as it is now; it is being written while the map goes on to change. */
static void take(struct model *m, int image, enum fallow_snapshot_kind kind, uint64_t *held)
{
	struct fallow_snapshot_options options = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fallow_snapshot *snapshot;
	size_t ntouched = 0;

	options.kind = kind;
	must_equal(ftruncate(image, 0), 0);
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_take(m->map, image, &options, &snapshot), 0);
	memcpy(held, m->value, sizeof(m->value));
	for (size_t page = 0; page < m->npages; page++)
		ntouched += m->touched[page];
	memset(m->touched, 0, sizeof(m->touched));
	size_t total = snapshot_progress(snapshot).total;
	if (kind == FALLOW_SNAPSHOT_CHANGES) {
		must_be_most(total, ntouched * m->page);
		m->ntotal += total / m->page;
		m->nimages++;
	}
	work(m);
	must_equal(fallow_snapshot_wait(snapshot), 0);
}

static void must_hold(struct fallow_map *map, const uint64_t *held, size_t npages, size_t page_size)
{
	static uint64_t words[CHECKED / sizeof(uint64_t)];

	for (size_t page = 0; page < npages; page++) {
		memset(words, 0, sizeof(words));
		words[word_of(page)] = held[page];
		must_equal(memcmp((char *)fallow_map_base(map) + page * page_size, words, CHECKED), 0);
	}
}

static void restore(struct fallow_map *map, int image)
{
	must_equal(lseek(image, 0, SEEK_SET), 0);
	must_equal(fallow_snapshot_restore(map, image, NULL), 0);
}

static struct model *start(const struct map_place *place)
{
	struct fallow_map_options options = map_place_options(place);
	static struct model m;

	m.page = options.page_size ? options.page_size : (size_t)sysconf(_SC_PAGESIZE);
	m.nmost = m.npages = options.page_size ? NPAGES_HUGE : NPAGES;
	options.length = options.reserve = m.nmost * m.page;
	m.map = map_create(&options);
	m.base = fallow_map_base(m.map);
	m.random = SEED;
	m.guarded = options.guard != FALLOW_GUARD_NONE;
	populate(&m, 0, m.guarded ? m.npages : m.npages / 2);
	return &m;
}

static void chain(void *argument)
{
	const struct map_place *place = argument;
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	struct model *m = start(place);
	static uint64_t held[NPAGES];
	int image = memfd_create("image", MFD_CLOEXEC);

	options.length = m->nmost * m->page;
	struct fallow_map *restored = map_create(&options);
	work(m);
	for (int i = 0; i < NIMAGES; i++) {
		take(m, image, i % (NIMAGES / 2) ? FALLOW_SNAPSHOT_CHANGES : FALLOW_SNAPSHOT_BASE, held);
		restore(restored, image);
		must_hold(restored, held, m->nmost, m->page);
		work(m);
		if (i % 8 == 7)
			resize(m);
	}
	printf("%s: %zu of %zu pages in an image of changes\n", place->name, m->ntotal / m->nimages, m->nmost);
	must_equal(fallow_snapshot_stop(m->map), 0);
	must_equal(snapshot_nprotected(m->map), 0);
	must_hold(m->map, m->value, m->guarded ? 0 : m->npages, m->page);
	must_equal(fallow_map_destroy(m->map), 0);
	fallow_map_destroy(restored);
	close(image);
}

static void restores_each_instant(void **state)
{
	struct map_place *place = *state;

	assert_lives(&place->place, chain, place);
}

/* Ordinary files cannot be write-protected. */
static bool suits(const struct map_place *place)
{
	return place->place.ext4 == 0;
}

int main(void)
{
	snapshot_need();
	printf("seed %llu\n", (unsigned long long)SEED);
	return map_places_main("chains", restores_each_instant, suits);
}
