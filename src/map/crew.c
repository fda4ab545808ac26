/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that take pieces of a range from a shared counter.
 */
#include "map/crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "os/os.h"

/* What one call brings in: others who want to map or unmap wait that long. */
#define PIECE (4 * FL_MIB)

/* A thread costs some 50 us to start, a piece 250 us to 1 ms to bring in. */
#define THREAD_DESERVES (16 * FL_MIB)
#define NTHREADS_MOST 16
#define STACK_SIZE (128 * FL_KIB)

struct crew {
	struct fallow_map *map;
	enum fallow_populate mode;
	uint64_t offset;
	size_t length; /* bytes, as all of these */
	size_t piece;
	size_t next;   /* atomic: the first byte that nobody has taken */
	size_t done;   /* atomic */
	bool stop;     /* atomic */
	struct fl_lock lock;
	struct fl_failure failure; /* under lock: the first that was met */
};

static void fail(struct crew *crew, struct fl_failure failure)
{
	fl_lock_take(&crew->lock);
	if (crew->failure.reason == FALLOW_REASON_NONE)
		crew->failure = failure;
	fl_lock_put(&crew->lock);
	__atomic_store_n(&crew->stop, true, __ATOMIC_RELAXED);
}

static struct fl_failure bring_in(const struct crew *crew, size_t first, size_t end)
{
	struct fallow_map *map = crew->map;
	struct fl_failure failure = { FALLOW_REASON_NONE, 0 };

	for (size_t page = first, next; page < end && failure.reason == FALLOW_REASON_NONE; page = next) {
		enum fallow_populate mode = fl_dirty_mode(map, crew->mode, page, end, &next);
		size_t length = (next - page) * map->page_size;
		uint64_t watch = fl_fork_watch();
		if (!fl_fork_leaves_cover(&map->backing, length))
			return (struct fl_failure){ FALLOW_REASON_POOL_EMPTY, -ENOMEM };
		failure = fl_backing_bring_in(&map->backing, mode, fl_map_address(map, page), length, page * map->page_size);
		if (failure.reason == FALLOW_REASON_NONE)
			failure = fl_fork_settle(&map->backing, watch, fl_map_address(map, page), length);
	}
	return failure;
}

/* Bring in one more piece. False when there is none, or no point in it. */
static bool work(struct crew *crew)
{
	if (__atomic_load_n(&crew->stop, __ATOMIC_RELAXED))
		return false;
	size_t at = __atomic_fetch_add(&crew->next, crew->piece, __ATOMIC_RELAXED);
	if (at >= crew->length)
		return false;
	size_t length = fl_min(crew->piece, crew->length - at);
	struct fl_failure failure = bring_in(crew, (crew->offset + at) / crew->map->page_size,
					     (crew->offset + at + length) / crew->map->page_size);
	if (failure.reason != FALLOW_REASON_NONE) {
		fail(crew, failure);
		return false;
	}
	__atomic_add_fetch(&crew->done, length, __ATOMIC_RELAXED);
	return true;
}

static void *run(void *crew)
{
	while (work(crew))
		;
	return NULL;
}

/* The threads run with all signals blocked, as the program's handlers are not for them. */
static size_t start(struct crew *crew, size_t wanted, pthread_t threads[static NTHREADS_MOST])
{
	pthread_attr_t attributes;
	sigset_t all, old;
	size_t n = 0;

	if (wanted == 0 || pthread_attr_init(&attributes) != 0)
		return 0;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (n < wanted && pthread_create(&threads[n], &attributes, run, crew) == 0)
		n++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return n;
}

/* fallocate works through a file under its lock: a crew would queue. */
static size_t nthreads(const struct crew *crew, const struct fallow_populate_options *options)
{
	size_t npieces = fl_div_up(crew->length, crew->piece), n = options->nthreads;

	if (crew->mode == FALLOW_POPULATE_ALLOCATE)
		return 1;
	if (n == 0)
		n = fl_min(fl_os_nprocessors(), fl_max(crew->length / fl_max(THREAD_DESERVES, crew->piece), 1));
	return fl_min(fl_min(n, npieces), NTHREADS_MOST);
}

static bool report(struct crew *crew, const struct fallow_populate_options *options)
{
	size_t done = __atomic_load_n(&crew->done, __ATOMIC_RELAXED);

	return options->progress == NULL || options->progress(crew->map, done, crew->length, options->context);
}

int fl_crew_bring_in(struct fallow_map *map, size_t first, size_t end, const struct fallow_populate_options *options,
		     struct fl_failure *failure)
{
	struct crew crew = {
		.map = map,
		.mode = options->mode,
		.offset = first * map->page_size,
		.length = (end - first) * map->page_size,
		.piece = fl_max(PIECE, map->page_size),
		.lock = FL_LOCK_INIT(FL_RANK_MAP),
	};
	pthread_t threads[NTHREADS_MOST];
	bool go_on = true;
	size_t n = start(&crew, nthreads(&crew, options) - 1, threads);

	while (go_on && work(&crew))
		go_on = report(&crew, options);
	if (!go_on)
		__atomic_store_n(&crew.stop, true, __ATOMIC_RELAXED);
	while (n-- > 0)
		pthread_join(threads[n], NULL);
	*failure = crew.failure;
	if (crew.failure.reason != FALLOW_REASON_NONE)
		return crew.failure.error;
	/* The last pieces may have been those of others. */
	return go_on && report(&crew, options) ? 0 : -ECANCELED;
}
