/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves for every backing, huge pages included, that of a million writes to random pages none is missed and no other page
 * is told of, while pages are populated, discarded and read at random, and collections are made of random parts, with room
 * for few ranges. A model knows what each page is to be told of.
 */
#include <errno.h>

#include "test/api/map-kinds.h"
#include "test/kernel/map-places.h"
#include "test/lib/lives.h"
#include "test/unit/random.h"

#define NPAGES 4096
#define NPAGES_HUGE MAP_PLACE_NHUGE
#define NWRITES 1000000
#define NRANGES 64
/* At most between two other calls; a huge page takes long to clear. */
#define NWRITES_SMALL 1024
#define NWRITES_HUGE 64

struct model {
	struct fallow_map *map;
	volatile uint64_t *base;
	size_t page;
	size_t npages;
	uint64_t random;
	bool populating_counts;    /* as a write, of what is there */
	bool guarded;              /* everything is populated at all times */
	bool written[NPAGES];
	bool discarded[NPAGES];
	bool held[NPAGES];         /* when it was collected last */
	uint64_t nwritten;
	uint64_t ntold;
};

static void write_one(struct model *m)
{
	size_t page = random_below(&m->random, m->npages), nwords = m->page / sizeof(uint64_t);

	m->base[page * nwords + random_below(&m->random, nwords)] = random_next(&m->random) | 1;
	m->written[page] = true;
	m->nwritten++;
}

/* A random range of at most most pages. */
static size_t choose(struct model *m, size_t most, size_t *npages)
{
	size_t first = random_below(&m->random, m->npages);

	*npages = 1 + random_below(&m->random, most);
	*npages = *npages < m->npages - first ? *npages : m->npages - first;
	return first;
}

static void discard_some(struct model *m)
{
	size_t npages, first = choose(m, m->npages / 32, &npages);

	must_equal(fallow_map_discard(m->map, first * m->page, npages * m->page), 0);
	for (size_t page = first; page < first + npages; page++) {
		m->discarded[page] = m->discarded[page] || m->held[page];
		m->written[page] = false;
	}
	if (m->guarded)
		must_equal(fallow_map_populate(m->map, first * m->page, npages * m->page, FALLOW_POPULATE_WRITE), 0);
}

static void populate_some(struct model *m)
{
	size_t npages, first = choose(m, m->npages / 32, &npages);
	enum fallow_populate mode = FALLOW_POPULATE_READ;

	if (!m->populating_counts && random_below(&m->random, 2))
		mode = FALLOW_POPULATE_WRITE;
	must_equal(fallow_map_populate(m->map, first * m->page, npages * m->page, mode), 0);
}

static void read_some(struct model *m)
{
	size_t npages, first = choose(m, m->npages / 32, &npages);

	for (size_t page = first; page < first + npages; page++)
		(void)m->base[page * m->page / sizeof(uint64_t)];
}

static unsigned int expected(const struct model *m, size_t page)
{
	return (m->written[page] ? FALLOW_DIRTY_WRITTEN : 0) | (m->discarded[page] ? FALLOW_DIRTY_DISCARDED : 0);
}

/* Pages [first, end) were collected, and told of as having changed so. */
static void told(struct model *m, size_t first, size_t end, unsigned int changes)
{
	for (size_t page = first; page < end; page++) {
		must_equal(changes, expected(m, page));
		if (changes != 0)
			m->held[page] = changes & FALLOW_DIRTY_WRITTEN;
		m->written[page] = m->discarded[page] = false;
		m->ntold += changes != 0;
	}
}

/* One call; where it had no more room the rest is left to another. */
static void collect(struct model *m, size_t first, size_t npages, size_t room)
{
	struct fallow_dirty_range ranges[NRANGES];
	size_t n = room, page = first;

	must_equal(fallow_dirty_collect(m->map, first * m->page, npages * m->page, ranges, &n), 0);
	must_be_most(n, room);
	for (size_t i = 0; i < n; i++) {
		size_t from = ranges[i].offset / m->page, to = from + ranges[i].length / m->page;
		must(from >= page && to > from);
		told(m, page, from, 0);
		told(m, from, to, ranges[i].changes);
		page = to;
	}
	if (n < room)
		told(m, page, first + npages, 0);
}

static void collect_some(struct model *m)
{
	size_t npages, first = choose(m, m->npages, &npages);

	collect(m, first, npages, 1 + random_below(&m->random, NRANGES));
}

static void work(struct model *m)
{
	while (m->nwritten < NWRITES) {
		for (size_t n = random_below(&m->random, m->npages < NPAGES ? NWRITES_HUGE : NWRITES_SMALL); n > 0; n--)
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
		default:
			collect_some(m);
			break;
		}
	}
	for (size_t at = 0; at < m->npages; at += NRANGES)
		collect(m, at, NRANGES < m->npages - at ? NRANGES : m->npages - at, NRANGES);
}

static void track(void *argument)
{
	const struct map_place *place = argument;
	struct fallow_map_options options = map_place_options(place);
	static struct model m;

	options.length = options.page_size ? NPAGES_HUGE * options.page_size : NPAGES * (size_t)sysconf(_SC_PAGESIZE);
	m = (struct model){ .map = map_create(&options), .random = SEED };
	m.populating_counts = place->place.ext4 != 0 && options.share != FALLOW_SHARE_PRIVATE;
	m.base = fallow_map_base(m.map);
	m.page = fallow_map_page_size(m.map);
	m.npages = options.length / m.page;
	m.guarded = options.guard != FALLOW_GUARD_NONE;
	size_t there = m.guarded ? m.npages : m.npages / 2;
	must_equal(fallow_map_populate(m.map, 0, there * m.page, FALLOW_POPULATE_WRITE), 0);
	must_equal(fallow_dirty_start(m.map), 0);
	/* What is there at the start counts as held. */
	for (size_t page = 0; page < there; page++)
		m.held[page] = true;
	work(&m);
	printf("%s: %llu writes, %llu pages told of\n", place->name, (unsigned long long)m.nwritten,
	       (unsigned long long)m.ntold);
	must(m.ntold > m.nwritten / 8);
	map_end(m.map, &options);
}

static void misses_none(void **state)
{
	struct map_place *place = *state;

	assert_lives(&place->place, track, place);
}

int main(void)
{
	printf("seed %llu\n", (unsigned long long)SEED);
	return map_places_main("dirty", misses_none, NULL);
}
