/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a snapshot's pages are copied, by the server, by the copier and by those who settle. See snapshot.h.
 */
#include <errno.h>
#include <limits.h>

#include "map/content.h"
#include "map/snapshot.h"
#include "backing/userfault.h"
#include "os/os.h"

#define NFAULTS 16

/* Where a settled range gets its own mappings, to have its faults and huge pages at full speed. */
#define WORTH_A_MAPPING (2 * FL_MIB)

/* What the copier unprotects at once when nobody waits: a part of a huge page would split it. */
#define RELEASED (2 * FL_MIB)

static uintptr_t address(const struct fallow_snapshot *s, size_t page)
{
	return (uintptr_t)fl_map_address(s->map, page);
}

static size_t nbytes(const struct fallow_snapshot *s, size_t first, size_t end)
{
	return (end - first) * s->map->page_size;
}

/* With the lock held: those who wait look again. */
static void tell(struct fallow_snapshot *s)
{
	__atomic_add_fetch(&s->nchanges, 1, __ATOMIC_RELAXED);
	if (s->nwaiting != 0)
		fl_os_futex_wake(&s->nchanges, INT_MAX);
}

/* With the lock held, which is let go meanwhile. */
static void wait_for_change(struct fallow_snapshot *s)
{
	uint32_t seen = __atomic_load_n(&s->nchanges, __ATOMIC_RELAXED);

	s->nwaiting++;
	fl_lock_put(&s->lock);
	fl_os_futex_wait(&s->nchanges, seen);
	fl_lock_take(&s->lock);
	s->nwaiting--;
}

/* Once, for afterwards the pages may be somebody else's: kernels before 6.17 do not ask whose they are. */
static void release_all(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	bool mine = !s->lifted;
	s->lifted = true;
	fl_lock_put(&s->lock);
	if (mine)
		fl_userfault_forget(s->userfault.fd, s->map->base, s->map->length);
}

static void tell_to_stop(struct fallow_snapshot *s)
{
	const uint64_t one = 1;

	if (fl_descriptor_is_ours(&s->stop))
		fl_os_write(s->stop.fd, &one, sizeof(one));
}

/* With the lock held: nothing is protected any more. */
static bool is_over(const struct fallow_snapshot *s)
{
	return s->error != 0 || (s->finished && s->kind == FALLOW_SNAPSHOT_WHOLE);
}

/* With the lock held, which is let go. */
static void give_up(struct fallow_snapshot *s, int error)
{
	s->error = error;
	tell(s);
	fl_lock_put(&s->lock);
	release_all(s);
	tell_to_stop(s);
}

void fl_snapshot_fail(struct fallow_snapshot *s, int error)
{
	fl_lock_take(&s->lock);
	if (is_over(s))
		fl_lock_put(&s->lock);
	else
		give_up(s, error);
}

void fallow_snapshot_cancel(struct fallow_snapshot *s)
{
	if (s == NULL)
		return;
	fl_lock_take(&s->lock);
	if (s->finished || s->error != 0)
		fl_lock_put(&s->lock);
	else
		give_up(s, -ECANCELED);
}

void fl_snapshot_start(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	s->started = true;
	tell(s);
	fl_lock_put(&s->lock);
}

void fl_snapshot_pause(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	s->started = false;
	while (s->serving)
		wait_for_change(s);
	fl_lock_put(&s->lock);
}

void fl_snapshot_await_end(struct fallow_map *map)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL || s->forked)
		return;
	fl_lock_take(&s->lock);
	while (s->lifted && (s->serving || !s->copied))
		wait_for_change(s);
	fl_lock_put(&s->lock);
}

/* With the lock held. False when it has failed before. */
static bool wait_for_start(struct fallow_snapshot *s)
{
	while (!s->started && s->error == 0)
		wait_for_change(s);
	return s->error == 0;
}

/* Pages are about to be let go: a chain is to know. */
static void note(struct fallow_snapshot *s, size_t first, size_t end)
{
	if (s->kind == FALLOW_SNAPSHOT_WHOLE)
		return;
	fl_lock_take(&s->lock);
	int result = fl_chain_note(&s->chain, first, end);
	fl_lock_put(&s->lock);
	if (result != 0)
		fl_snapshot_fail(s, result);
}

static void unprotect(struct fallow_snapshot *s, size_t first, size_t end)
{
	int result = fl_userfault_unprotect(s->userfault.fd, address(s, first), nbytes(s, first, end));

	if (result != 0)
		fl_snapshot_fail(s, fl_descriptor_is_ours(&s->userfault) ? result : -EBADF);
}

static void let_write(struct fallow_snapshot *s, size_t first, size_t end)
{
	note(s, first, end);
	unprotect(s, first, end);
}

static void let_awaited(struct fallow_snapshot *s, const struct fl_copy *copy)
{
	if (copy->awaited < copy->awaited_end)
		let_write(s, copy->awaited, copy->awaited_end);
}

/* The following have the lock held, and let go of it while they wait or copy. */

static bool is_pending(const struct fallow_snapshot *s, size_t page)
{
	return fl_pageset_count(&s->pending, page, page + 1) != 0;
}

static struct fl_copy *find_copy(const struct fallow_snapshot *s, size_t first, size_t end)
{
	struct fl_copy *copy = s->copies;

	while (copy && (copy->end <= first || end <= copy->first))
		copy = copy->next;
	return copy;
}

static void begin_copy(struct fallow_snapshot *s, struct fl_copy *copy, size_t first, size_t end)
{
	fl_pageset_remove(&s->pending, first, end);
	*copy = (struct fl_copy){ .first = first, .end = end, .awaited = end, .next = s->copies };
	s->copies = copy;
}

/* Somebody wants to write to a page of it. */
static void await_copy(struct fl_copy *copy, size_t page)
{
	copy->awaited = fl_min(copy->awaited, page);
	copy->awaited_end = fl_max(copy->awaited_end, page + 1);
}

/* Those who wait for it are to be let go on, with let_awaited(). */
static void end_copy(struct fallow_snapshot *s, struct fl_copy *copy)
{
	for (struct fl_copy **link = &s->copies; *link; link = &(*link)->next) {
		if (*link == copy) {
			*link = copy->next;
			break;
		}
	}
	tell(s);
}

static void wait_for_copies(struct fallow_snapshot *s, size_t first, size_t end)
{
	while (find_copy(s, first, end))
		wait_for_change(s);
}

/*
 * What was discarded while it was protected leaves a mark in a file's mapping, which a later snapshot may take for content. Who
 * reads it waits for the server, and must not be the server: a protected page of zeros is put there, unless there is one. A
 * private one would hide what the file has; but then reading finds that.
 */
static void put_if_gone(struct fallow_snapshot *s, size_t page)
{
	const struct fl_backing *backing = &s->map->backing;
	uint64_t at = (uint64_t)page * s->map->page_size, start, stop;

	if (backing->fd < 0 || backing->huge)
		return;
	if (!backing->shared &&
	    (fl_backing_storage(backing, at, at + s->map->page_size, &start, &stop) != 0 || start < stop))
		return;
	fl_userfault_zero_protected(s->userfault.fd, address(s, page), s->map->page_size);
}

/* Copy a page aside if it is pending still once there is a slot. */
static void save(struct fallow_snapshot *s, size_t page)
{
	uint32_t slot = FL_ASIDE_NONE;
	struct fl_copy copy;

	while (is_pending(s, page) && s->error == 0 && (slot = fl_aside_take(&s->aside)) == FL_ASIDE_NONE)
		wait_for_change(s);
	if (slot == FL_ASIDE_NONE)
		return;
	begin_copy(s, &copy, page, page + 1);
	fl_lock_put(&s->lock);
	put_if_gone(s, page);
	int result = fl_content_read(s->map, page, page + 1, fl_aside_bytes(&s->aside, slot));
	if (result != 0)
		fl_snapshot_fail(s, result);
	fl_lock_take(&s->lock);
	fl_aside_line_up(&s->aside, slot, page);
	end_copy(s, &copy);
	fl_lock_put(&s->lock);
	let_awaited(s, &copy);
	fl_lock_take(&s->lock);
}

/* Without the lock from here on. */

/* A page that somebody else is copying is let go by him. */
static void serve_protected(struct fallow_snapshot *s, size_t page)
{
	fl_lock_take(&s->lock);
	if (is_pending(s, page)) {
		s->nwaits++;
		save(s, page);
	}
	struct fl_copy *others = find_copy(s, page, page + 1);
	if (others)
		await_copy(others, page);
	fl_lock_put(&s->lock);
	if (!others)
		let_write(s, page, page + 1);
}

/*
 * Huge pages are brought in by the kernel itself, without us. So is a page for which there is no room, as the touch then
 * ends the way it would have without a snapshot. A page that has come meanwhile is a protected one. Of one that others took
 * out of a file while it was protected the protection is all that is left, and it may be the copier who waits for it: there
 * a protected page of zeros is put.
 */
static void serve_missing(struct fallow_snapshot *s, size_t page)
{
	size_t length = s->map->page_size;

	note(s, page, page + 1);
	int result = s->map->backing.huge ? -EINVAL : fl_userfault_zero(s->userfault.fd, address(s, page), length);

	if (result == -EEXIST)
		result = fl_userfault_zero_protected(s->userfault.fd, address(s, page), length);
	if (result == -EEXIST) {
		serve_protected(s, page);
		return;
	}
	if (result != 0)
		result = fl_userfault_forget(s->userfault.fd, address(s, page), length);
	if (result != 0)
		fl_snapshot_fail(s, result);
}

static void serve_all(struct fallow_snapshot *s, const struct fl_userfault *faults, int n)
{
	for (int i = 0; i < n; i++) {
		size_t page = (faults[i].address - s->map->base) / s->map->page_size;
		if (faults[i].missing)
			serve_missing(s, page);
		else
			serve_protected(s, page);
	}
}

/* Wait for faults and serve them. Without our descriptor there are none any more, and no snapshot. */
static void serve_next(struct fallow_snapshot *s)
{
	struct fl_userfault faults[NFAULTS];
	int n = fl_descriptor_is_ours(&s->userfault) ? fl_userfault_read(s->userfault.fd, faults, NFAULTS) : -EBADF;

	if (n < 0 && n != -EAGAIN && n != -EINTR)
		fl_snapshot_fail(s, n);
	serve_all(s, faults, n);
}

static void wait_for_faults(struct fallow_snapshot *s)
{
	struct pollfd files[] = { { s->userfault.fd, POLLIN, 0 }, { s->stop.fd, POLLIN, 0 } };
	int n = fl_os_poll(files, FL_LENGTH(files), FL_IMAGE_POLL_MS);

	if (n < 0 && n != -EINTR)
		fl_snapshot_fail(s, n);
}

/* False when there are to be no more faults. */
static bool begin_serving(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	bool go = wait_for_start(s) && !is_over(s) && !s->lifted;
	s->serving = go;
	fl_lock_put(&s->lock);
	return go;
}

static void end_serving(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	s->serving = false;
	tell(s);
	fl_lock_put(&s->lock);
}

void *fl_snapshot_serve(void *snapshot)
{
	while (begin_serving(snapshot)) {
		serve_next(snapshot);
		end_serving(snapshot);
		wait_for_faults(snapshot);
	}
	return NULL;
}

/* Write a page that was copied aside. False when there is none. */
static bool write_saved(struct fallow_snapshot *s, int *result)
{
	size_t page = 0;

	fl_lock_take(&s->lock);
	uint32_t slot = fl_aside_next(&s->aside, &page);
	fl_lock_put(&s->lock);
	if (slot == FL_ASIDE_NONE)
		return false;
	*result = fl_image_put(&s->out, page * s->map->page_size, fl_aside_bytes(&s->aside, slot), s->map->page_size);
	fl_lock_take(&s->lock);
	fl_aside_put(&s->aside, slot);
	tell(s);
	fl_lock_put(&s->lock);
	return true;
}

/* The copier has copied [first, end), and nothing before it is pending. A chain keeps it protected. */
static void release_up_to(struct fallow_snapshot *s, size_t first, size_t end)
{
	size_t block = fl_max(RELEASED / s->map->page_size, 1);

	s->released = fl_max(s->released, fl_align_down(first, block));
	end = fl_align_down(end, block);
	if (s->released >= end)
		return;
	fl_lock_take(&s->lock);
	wait_for_copies(s, s->released, end);
	fl_lock_put(&s->lock);
	let_write(s, s->released, end);
	s->released = end;
}

/* Copy and write the next run of pending pages. False when there is none. */
static bool write_pending(struct fallow_snapshot *s, int *result)
{
	size_t npages = s->pending.tree.npages;
	struct fl_copy copy;

	fl_lock_take(&s->lock);
	size_t first = fl_pageset_next(&s->pending, s->cursor, npages);
	size_t end = fl_pageset_next_absent(&s->pending, first, fl_min(first + s->run_pages, npages));
	s->cursor = end;
	if (first < end)
		begin_copy(s, &copy, first, end);
	fl_lock_put(&s->lock);
	if (first >= end)
		return false;
	*result = fl_content_read(s->map, first, end, s->run);
	fl_lock_take(&s->lock);
	end_copy(s, &copy);
	fl_lock_put(&s->lock);
	let_awaited(s, &copy);
	if (s->kind == FALLOW_SNAPSHOT_WHOLE)
		release_up_to(s, first, end);
	if (*result == 0)
		*result = fl_image_put(&s->out, first * s->map->page_size, s->run, nbytes(s, first, end));
	return true;
}

/* Nothing is pending: wait for what others are copying. False when they have, and all that is written. */
static bool wait_for_others(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	if (s->copies && s->error == 0)
		wait_for_change(s);
	bool more = s->error == 0 && (s->copies || s->aside.first != FL_ASIDE_NONE);
	fl_lock_put(&s->lock);
	return more;
}

static bool has_failed(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	bool failed = s->error != 0;
	fl_lock_put(&s->lock);
	return failed;
}

static int write_holes(struct fallow_snapshot *s)
{
	const struct fl_pageset *gone = &s->chain.gone;
	size_t page = s->map->page_size, npages = s->map->length / page;
	int result = 0;

	for (size_t end, first = fl_pageset_next(gone, 0, npages); first < npages && result == 0;) {
		end = fl_pageset_next_absent(gone, first, npages);
		result = fl_image_put_hole(&s->out, first * page, (end - first) * page);
		first = fl_pageset_next(gone, end, npages);
	}
	return result;
}

/* What others copied aside comes first, for they may be waiting for the slots. */
static int write_pages(struct fallow_snapshot *s)
{
	int result = s->kind == FALLOW_SNAPSHOT_CHANGES ? write_holes(s) : 0;

	while (result == 0 && !has_failed(s) &&
	       (write_saved(s, &result) || write_pending(s, &result) || wait_for_others(s)))
		;
	return result;
}

/* Without a chain nothing is protected any more when the rest of the image is on its way. */
static int write_end(struct fallow_snapshot *s)
{
	if (s->kind == FALLOW_SNAPSHOT_WHOLE)
		release_all(s);
	int result = fl_image_end(&s->out);

	return result == 0 && s->sync ? fl_os_fdatasync(s->image.fd) : result;
}

/*
 * Closing the image tells a reader on the other side of a pipe that it has all. When it has, who cancelled meanwhile came too
 * late.
 */
static void end_writing(struct fallow_snapshot *s, bool complete)
{
	fl_descriptor_close(&s->image);
	fl_lock_take(&s->lock);
	s->result = complete ? 0 : s->error;
	s->finished = true;
	s->closed = true;
	bool over = is_over(s);
	fl_lock_put(&s->lock);
	if (over)
		tell_to_stop(s);
}

/* The copier lets nobody go from here on, but all of them. */
static void end_copying(struct fallow_snapshot *s)
{
	fl_lock_take(&s->lock);
	s->copied = true;
	tell(s);
	fl_lock_put(&s->lock);
}

void *fl_snapshot_copy(void *snapshot)
{
	struct fallow_snapshot *s = snapshot;

	fl_lock_take(&s->lock);
	bool go = wait_for_start(s);
	fl_lock_put(&s->lock);
	int result = go ? write_pages(s) : 0;
	end_copying(s);
	bool ends = result == 0 && !has_failed(s);
	if (ends)
		result = write_end(s);
	if (result != 0)
		fl_snapshot_fail(s, result);
	end_writing(s, ends && result == 0);
	return NULL;
}

/* On return [first, end) is copied. False when nothing is protected. */
static bool settle(struct fallow_snapshot *s, size_t first, size_t end)
{
	fl_lock_take(&s->lock);
	for (size_t page = first; s->error == 0 && (page = fl_pageset_next(&s->pending, page, end)) < end;)
		save(s, page);
	wait_for_copies(s, first, end);
	bool over = is_over(s);
	fl_lock_put(&s->lock);
	return !over;
}

/* The range is watched no longer: what is big enough gets mappings of its own. */
static void let_be(struct fallow_snapshot *s, size_t first, size_t end)
{
	if (nbytes(s, first, end) < WORTH_A_MAPPING ||
	    fl_userfault_forget(s->userfault.fd, address(s, first), nbytes(s, first, end)) != 0)
		unprotect(s, first, end);
}

void fl_snapshot_before_populate(struct fallow_map *map, size_t first, size_t end)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL || !settle(s, first, end))
		return;
	note(s, first, end);
	let_be(s, first, end);
}

/* A discard may fail half way. What a chain held is noted; who touches what is missing then is stopped and noted. */
static void let_go(struct fallow_snapshot *s, size_t first, size_t end)
{
	fl_lock_take(&s->lock);
	int result = fl_chain_note_held(&s->chain, first, end);
	fl_lock_put(&s->lock);
	if (result != 0)
		fl_snapshot_fail(s, result);
	unprotect(s, first, end);
}

void fl_snapshot_before_discard(struct fallow_map *map, size_t first, size_t end)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL || !settle(s, first, end))
		return;
	if (s->kind == FALLOW_SNAPSHOT_WHOLE)
		let_be(s, first, end);
	else
		let_go(s, first, end);
}

void fl_snapshot_grown(struct fallow_map *map, size_t first, size_t end)
{
	struct fallow_snapshot *s = map->snapshot;

	if (s == NULL || has_failed(s))
		return;
	int result = fl_userfault_register(s->userfault.fd, address(s, first), nbytes(s, first, end));
	if (result != 0)
		fl_snapshot_fail(s, result);
}
