/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking snapshots and waiting for them. See fallow/snapshot.h for the contract.
 */
#include "map/snapshot.h"

#include <errno.h>
#include <signal.h>

#include "base/bits.h"
#include "map/content.h"
#include "backing/userfault.h"
#include "meta/meta.h"
#include "os/kernel.h"
#include "os/os.h"

#define MEMORY_DEFAULT (32 * FL_MIB)

/* What the copier copies at once: those who write to its pages meanwhile wait that long. */
#define RUN (64 * FL_KIB)

#define STACK_SIZE (128 * FL_KIB)

static int open_image(struct fallow_snapshot *s, int fd)
{
	int flags = fl_os_getfl(fd);

	if (flags < 0)
		return flags;
	return (flags & O_ACCMODE) == O_RDONLY ? -EBADF : fl_descriptor_keep(&s->image, fl_os_dup(fd));
}

static int open_descriptors(struct fallow_snapshot *s)
{
	int result = fl_descriptor_keep(&s->userfault, fl_userfault_open());
	if (result != 0)
		return result;
	result = fl_descriptor_keep(&s->stop, fl_os_eventfd());
	if (result != 0)
		fl_descriptor_close(&s->userfault);
	return result;
}

static void close_descriptors(const struct fallow_snapshot *s)
{
	fl_descriptor_close(&s->stop);
	fl_descriptor_close(&s->userfault);
}

/* A map may be resized between two images. */
static int make_sets(struct fallow_snapshot *s)
{
	size_t npages = s->map->reserve / s->map->page_size;
	int result = fl_pageset_create(&s->pending, npages);

	if (result != 0)
		return result;
	result = fl_chain_create(&s->chain, npages);
	if (result != 0)
		fl_pageset_destroy(&s->pending);
	return result;
}

static void destroy_sets(struct fallow_snapshot *s)
{
	fl_chain_destroy(&s->chain);
	fl_pageset_destroy(&s->pending);
}

/* Room for an image's copies. */
static int find_room(struct fallow_snapshot *s, size_t memory)
{
	size_t page = s->map->page_size, npages = s->map->length / page;
	size_t nslots = fl_min(fl_div_up(memory ? memory : MEMORY_DEFAULT, page), npages);
	void *run = NULL;

	s->run_pages = fl_max(RUN / page, 1);
	int result = fl_aside_create(&s->aside, page, nslots);
	if (result != 0)
		return result;
	result = fl_os_mmap(&run, s->run_pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->run = run;
	if (result == 0)
		return 0;

	fl_aside_destroy(&s->aside);
	return -ENOMEM;
}

static void free_room(struct fallow_snapshot *s)
{
	fl_os_munmap(s->run, s->run_pages * s->map->page_size);
	fl_aside_destroy(&s->aside);
}

/* The threads run with all signals blocked: the program's handlers are not for them, and SIGPIPE is for nobody. */
static int create_thread(pthread_t *thread, void *(*fn)(void *snapshot), struct fallow_snapshot *s)
{
	pthread_attr_t attributes;
	sigset_t all, old;
	int result = -pthread_attr_init(&attributes);

	if (result != 0)
		return result;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = -pthread_create(thread, &attributes, fn, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return result;
}

static int protect(const struct fallow_snapshot *s, size_t first, size_t end)
{
	return fl_userfault_protect(s->userfault.fd, (uintptr_t)fl_map_address(s->map, first),
				    (end - first) * s->map->page_size);
}

/* Where missing pages would be marked as well, only runs of pending ones are protected. */
static int protect_runs(const struct fallow_snapshot *s)
{
	size_t npages = s->map->length / s->map->page_size;
	int result = 0;

	for (size_t end, first = fl_pageset_next(&s->pending, 0, npages); first < npages && result == 0;) {
		end = fl_pageset_next_absent(&s->pending, first, npages);
		result = protect(s, first, end);
		first = fl_pageset_next(&s->pending, end, npages);
	}
	return result;
}

static int protect_content(const struct fallow_snapshot *s)
{
	const struct fl_backing *backing = &s->map->backing;
	bool at_once = backing->fd < 0 && !backing->huge && s->kind != FALLOW_SNAPSHOT_CHANGES;

	return at_once ? protect(s, 0, s->map->length / s->map->page_size) : protect_runs(s);
}

/* Nothing comes in once missing pages are stopped at: what has content then is all that will be protected. */
static int arm(struct fallow_snapshot *s)
{
	/* Without its descriptor a chain was not watched. */
	if (!fl_descriptor_is_ours(&s->userfault))
		return -EBADF;
	int result = fl_userfault_register(s->userfault.fd, s->map->base, s->map->length);
	if (result != 0)
		return result;
	result = fl_content_find(s->map, &s->pending);
	if (result == 0 && s->kind != FALLOW_SNAPSHOT_WHOLE)
		result = fl_chain_turn(&s->chain, &s->pending, s->map->length / s->map->page_size);
	s->total = s->pending.count;
	if (result == 0)
		result = protect_content(s);
	/* No /proc; several mappings at once on Linux before 6.3. */
	return result == -EACCES || result == -ENOENT ? -EOPNOTSUPP : result;
}

static int begin_image(struct fallow_snapshot *s)
{
	struct fl_image_header header = {
		.length = s->map->length,
		.page_size = s->map->page_size,
		.content = s->total * s->map->page_size,
	};

	if (s->kind == FALLOW_SNAPSHOT_CHANGES) {
		header.parent[0] = s->header.id[0];
		header.parent[1] = s->header.id[1];
	}
	s->header = header;
	return fl_image_begin(&s->out, &s->image, &s->stop, &s->header);
}

/* From here on a failure is the end of a chain. */
static int arm_and_start(struct fallow_snapshot *s)
{
	int result = create_thread(&s->copier, fl_snapshot_copy, s);
	if (result != 0) {
		fl_snapshot_fail(s, result);
		return result;
	}
	result = arm(s);
	if (result == 0)
		result = begin_image(s);
	if (result == 0) {
		fl_snapshot_start(s);
		return 0;
	}
	fl_snapshot_fail(s, result);
	pthread_join(s->copier, NULL);
	return result;
}

static void reset(struct fallow_snapshot *s, const struct fallow_snapshot_options *options)
{
	fl_snapshot_pause(s);
	fl_lock_take(&s->lock);
	s->kind = options->kind;
	s->sync = options->sync;
	s->closed = false;
	s->copied = false;
	s->finished = false;
	s->cursor = 0;
	s->released = 0;
	s->nwaits = 0;
	fl_lock_put(&s->lock);
}

static int take(struct fallow_snapshot *s, int fd, const struct fallow_snapshot_options *options)
{
	int result = open_image(s, fd);
	if (result != 0)
		return result;
	result = find_room(s, options->memory);
	if (result != 0) {
		fl_descriptor_close(&s->image);
		return result;
	}
	reset(s, options);
	result = arm_and_start(s);
	if (result == 0) {
		s->taken = true;
		return 0;
	}

	free_room(s);
	if (!s->closed)
		fl_descriptor_close(&s->image);
	return result;
}

static int begin(struct fallow_snapshot *s)
{
	int result = open_descriptors(s);
	if (result != 0)
		return result;
	result = make_sets(s);
	if (result != 0)
		goto close;
	fl_lock_init(&s->lock, FL_RANK_SNAPSHOT);
	result = create_thread(&s->server, fl_snapshot_serve, s);
	if (result == 0)
		return 0;

	destroy_sets(s);
close:
	close_descriptors(s);
	return result;
}

/* With all ranges held. */
static int create(struct fallow_map *map)
{
	struct fallow_snapshot *s = fl_meta_alloc(sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->map = map;
	int result = begin(s);
	if (result != 0)
		fl_meta_free(s, sizeof(*s));
	else
		map->snapshot = s;
	return result;
}

static void free_snapshot(struct fallow_snapshot *s)
{
	destroy_sets(s);
	fl_meta_free(s, sizeof(*s));
}

void fl_snapshot_destroy(struct fallow_map *map)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL)
		return;
	map->snapshot = NULL;
	if (!s->forked) {
		fl_snapshot_fail(s, -ECANCELED);
		pthread_join(s->server, NULL);
		close_descriptors(s);
	}
	free_snapshot(s);
}

/* Of a map of which no image is being taken. */
static bool has_chain(const struct fallow_map *map)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL)
		return false;
	fl_lock_take(&s->lock);
	bool chained = s->kind != FALLOW_SNAPSHOT_WHOLE && s->error == 0;
	fl_lock_put(&s->lock);
	return chained;
}

/* With all ranges held. What fails early leaves a chain to be gone on with. */
static int take_of(struct fallow_map *map, int fd, const struct fallow_snapshot_options *options)
{
	bool goes_on = options->kind == FALLOW_SNAPSHOT_CHANGES;
	int result = 0;

	if (fl_snapshot_is_taken(map))
		return -EBUSY;
	if (!(goes_on && has_chain(map)))
		fl_snapshot_destroy(map);
	if (map->snapshot == NULL)
		result = goes_on ? -ENOENT : create(map);
	if (result == 0)
		result = take(map->snapshot, fd, options);
	if (result != 0 && !(goes_on && has_chain(map)))
		fl_snapshot_destroy(map);
	return result;
}

int fallow_snapshot_take(struct fallow_map *map, int fd, const struct fallow_snapshot_options *options,
			 struct fallow_snapshot **snapshot)
{
	static const struct fallow_snapshot_options defaults = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fl_range range;

	options = options ? options : &defaults;
	if (map == NULL || snapshot == NULL || options->size != sizeof(*options) ||
	    (unsigned int)options->kind > FALLOW_SNAPSHOT_CHANGES)
		return -EINVAL;
	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	int result = take_of(map, fd, options);
	if (result == 0)
		*snapshot = map->snapshot;
	fl_range_put(&map->ranges, &range);
	return result;
}

bool fl_snapshot_is_taken(const struct fallow_map *map)
{
	return map->snapshot && map->snapshot->taken;
}

/* A complete image of a chain leaves all but its own room with the map. */
static void end_image(struct fallow_map *map)
{
	struct fallow_snapshot *s = map->snapshot;
	struct fl_range range;

	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	s->taken = false;
	if (!has_chain(map))
		fl_snapshot_destroy(map);
	fl_range_put(&map->ranges, &range);
}

int fallow_snapshot_wait(struct fallow_snapshot *s)
{
	if (s == NULL)
		return -EINVAL;
	if (!s->forked) {
		pthread_join(s->copier, NULL);
		/* After a failure the server may be copying a page into the room still. */
		if (s->result != 0)
			fl_snapshot_pause(s);
	}
	int result = s->result;
	fl_image_free(&s->out);
	free_room(s);
	if (s->forked)
		free_snapshot(s);
	else
		end_image(s->map);
	return result;
}

int fallow_snapshot_stop(struct fallow_map *map)
{
	struct fl_range range;
	int result = 0;

	if (map == NULL)
		return -EINVAL;
	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	if (fl_snapshot_is_taken(map))
		result = -EBUSY;
	else if (!has_chain(map))
		result = -ENOENT;
	if (result != -EBUSY)
		fl_snapshot_destroy(map);
	fl_range_put(&map->ranges, &range);
	return result;
}

int fallow_snapshot_progress(struct fallow_snapshot *s, struct fallow_snapshot_stat *stat)
{
	if (s == NULL || stat == NULL || stat->size != sizeof(*stat))
		return -EINVAL;
	fl_lock_take(&s->lock);
	*stat = (struct fallow_snapshot_stat){
		.size = sizeof(*stat),
		.total = s->total * s->map->page_size,
		.done = (s->total - s->pending.count) * s->map->page_size,
		.written = __atomic_load_n(&s->out.nwritten, __ATOMIC_RELAXED),
		.nwaits = s->nwaits,
		.finished = s->finished,
	};
	fl_lock_put(&s->lock);
	return 0;
}

/*
 * The child has copies of the descriptors: an open one would keep the parent's file and protection alive. What is being
 * taken is the handle's from now on; a chain is left for those who end it.
 */
void fl_snapshot_leave_to_parent(struct fallow_map *map)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL || s->forked)
		return;
	if (s->taken)
		map->snapshot = NULL;
	fl_lock_init(&s->lock, FL_RANK_SNAPSHOT);
	s->forked = true;
	s->finished = true;
	s->error = -ECANCELED;
	s->result = -ECANCELED;
	close_descriptors(s);
	if (!s->closed)
		fl_descriptor_close(&s->image);
}
