/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking snapshots and waiting for them. See fallow/snapshot.h for the contract.
 */
#include "map/snapshot.h"

#include <errno.h>
#include <signal.h>

#include "base/bits.h"
#include "map/content.h"
#include "map/userfault.h"
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

static int open_descriptors(struct fallow_snapshot *s, int fd)
{
	int result = open_image(s, fd);
	if (result != 0)
		return result;
	result = fl_descriptor_keep(&s->userfault, fl_userfault_open());
	if (result != 0)
		goto close_image;
	result = fl_descriptor_keep(&s->stop, fl_os_eventfd());
	if (result == 0)
		return 0;

	fl_descriptor_close(&s->userfault);
close_image:
	fl_descriptor_close(&s->image);
	return result;
}

static void close_descriptors(const struct fallow_snapshot *s)
{
	fl_descriptor_close(&s->stop);
	fl_descriptor_close(&s->userfault);
	if (!s->closed)
		fl_descriptor_close(&s->image);
}

static int find_room(struct fallow_snapshot *s, size_t memory)
{
	size_t page = s->map->page_size, npages = s->map->length / page;
	size_t nslots = fl_min(fl_div_up(memory ? memory : MEMORY_DEFAULT, page), npages);
	void *run = NULL;

	s->run_pages = fl_max(RUN / page, 1);
	int result = fl_pageset_create(&s->pending, npages);
	if (result != 0)
		return result;
	result = fl_aside_create(&s->aside, page, nslots);
	if (result != 0)
		goto destroy_pending;
	result = fl_os_mmap(&run, s->run_pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->run = run;
	if (result == 0)
		return 0;

	fl_aside_destroy(&s->aside);
destroy_pending:
	fl_pageset_destroy(&s->pending);
	return -ENOMEM;
}

static void free_room(struct fallow_snapshot *s)
{
	fl_os_munmap(s->run, s->run_pages * s->map->page_size);
	fl_aside_destroy(&s->aside);
	fl_pageset_destroy(&s->pending);
}

/* The threads run with all signals blocked: the program's handlers are not for them, and SIGPIPE is for nobody. */
static int create_threads(struct fallow_snapshot *s)
{
	pthread_attr_t attributes;
	sigset_t all, old;
	int result = -pthread_attr_init(&attributes);

	if (result != 0)
		return result;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	result = -pthread_create(&s->server, &attributes, fl_snapshot_serve, s);
	if (result == 0) {
		result = -pthread_create(&s->copier, &attributes, fl_snapshot_copy, s);
		if (result != 0) {
			fl_snapshot_fail(s, result);
			pthread_join(s->server, NULL);
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return result;
}

static void join_threads(const struct fallow_snapshot *s)
{
	pthread_join(s->copier, NULL);
	pthread_join(s->server, NULL);
}

static int protect(const struct fallow_snapshot *s, size_t first, size_t end)
{
	return fl_userfault_protect(s->userfault.fd, (uintptr_t)fl_map_address(s->map, first),
				    (end - first) * s->map->page_size);
}

/* Where missing pages would be marked as well, only runs of pending ones are protected. */
static int protect_runs(const struct fallow_snapshot *s)
{
	size_t npages = s->pending.npages;
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

	return backing->fd < 0 && !backing->huge ? protect(s, 0, s->pending.npages) : protect_runs(s);
}

/* Nothing comes in once missing pages are stopped at: what has content then is all that will be protected. */
static int arm(struct fallow_snapshot *s)
{
	int result = fl_userfault_register(s->userfault.fd, s->map->base, s->map->length);
	if (result != 0)
		return result;
	result = fl_content_find(s->map, &s->pending);
	s->total = s->pending.count;
	if (result == 0)
		result = protect_content(s);
	/* No /proc; several mappings at once on Linux before 6.3. */
	return result == -EACCES || result == -ENOENT ? -EOPNOTSUPP : result;
}

static int begin_image(struct fallow_snapshot *s)
{
	s->header = (struct fl_image_header){
		.length = s->map->length,
		.page_size = s->map->page_size,
		.content = s->total * s->map->page_size,
	};
	return fl_image_begin(&s->out, &s->image, &s->stop, &s->header);
}

static int arm_and_start(struct fallow_snapshot *s)
{
	int result = create_threads(s);
	if (result != 0)
		return result;
	result = arm(s);
	if (result == 0)
		result = begin_image(s);
	if (result == 0) {
		fl_snapshot_start(s);
		return 0;
	}
	fl_snapshot_fail(s, result);
	join_threads(s);
	return result;
}

static int take(struct fallow_snapshot *s, int fd, const struct fallow_snapshot_options *options)
{
	int result = open_descriptors(s, fd);
	if (result != 0)
		return result;
	result = find_room(s, options->memory);
	if (result != 0)
		goto close;
	fl_lock_init(&s->lock, FL_RANK_SNAPSHOT);
	s->sync = options->sync;
	result = arm_and_start(s);
	if (result == 0)
		return 0;

	free_room(s);
close:
	close_descriptors(s);
	return result;
}

/* With all ranges held. */
static int take_of(struct fallow_map *map, int fd, const struct fallow_snapshot_options *options)
{
	if (map->snapshot)
		return -EBUSY;
	struct fallow_snapshot *s = fl_meta_alloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->map = map;
	int result = take(s, fd, options);
	if (result != 0) {
		fl_meta_free(s, sizeof(*s));
		return result;
	}
	map->snapshot = s;
	return 0;
}

int fallow_snapshot_take(struct fallow_map *map, int fd, const struct fallow_snapshot_options *options,
			 struct fallow_snapshot **snapshot)
{
	static const struct fallow_snapshot_options defaults = FALLOW_SNAPSHOT_OPTIONS_INIT;
	struct fl_range range;

	options = options ? options : &defaults;
	if (map == NULL || snapshot == NULL || options->size != sizeof(*options))
		return -EINVAL;
	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	int result = take_of(map, fd, options);
	if (result == 0)
		*snapshot = map->snapshot;
	fl_range_put(&map->ranges, &range);
	return result;
}

static void leave_map(struct fallow_map *map)
{
	struct fl_range range;

	fl_range_take(&map->ranges, &range, 0, SIZE_MAX);
	map->snapshot = NULL;
	fl_range_put(&map->ranges, &range);
}

int fallow_snapshot_wait(struct fallow_snapshot *s)
{
	if (s == NULL)
		return -EINVAL;
	if (!s->forked) {
		join_threads(s);
		leave_map(s->map);
		close_descriptors(s);
	}
	int result = s->error;
	fl_image_free(&s->out);
	free_room(s);
	fl_meta_free(s, sizeof(*s));
	return result;
}

void fallow_snapshot_cancel(struct fallow_snapshot *s)
{
	if (s)
		fl_snapshot_fail(s, -ECANCELED);
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

/* The child has copies of the descriptors: an open one would keep the parent's file and protection alive. */
void fl_snapshot_leave_to_parent(struct fallow_map *map)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL)
		return;
	map->snapshot = NULL;
	fl_lock_init(&s->lock, FL_RANK_SNAPSHOT);
	s->forked = true;
	s->finished = true;
	s->error = -ECANCELED;
	close_descriptors(s);
}
