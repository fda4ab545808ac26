/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Restoring a map from an image, record by record: a record is checked before its pages are populated. See
 * fallow/snapshot.h for the contract.
 */
#include <errno.h>

#include "map/image.h"
#include "map/map.h"
#include "os/os.h"

#include <fallow/snapshot.h>

static const char zeros[FL_IMAGE_LONGEST];

/* System calls answer where a touch of a file that others cut short would be a signal. */
static int copy_in(struct fallow_map *map, size_t offset, const void *bytes, size_t length)
{
	struct iovec from = { (void *)bytes, length }, to = { (void *)(map->base + offset), length };
	ssize_t n = fl_os_write_self(&from, 1, &to, 1);

	if (n < 0)
		return (int)n;
	return (size_t)n == length ? 0 : -EFAULT;
}

/* Zeros for a part of a page, if it is there at all. */
static int clear_part(struct fallow_map *map, size_t offset, size_t end)
{
	size_t page = offset / map->page_size;
	int result = 0;

	fl_lock_take(&map->lock);
	bool there = fl_pageset_count(&map->populated, page, page + 1) != 0;
	fl_lock_put(&map->lock);
	for (size_t n; there && offset < end && result == 0; offset += n) {
		n = fl_min(end - offset, sizeof(zeros));
		result = copy_in(map, offset, zeros, n);
	}
	return result;
}

/* The map may have larger pages than the image. */
static int clear(struct fallow_map *map, size_t offset, size_t end)
{
	size_t first = fl_align_up(offset, map->page_size), last = fl_align_down(end, map->page_size);

	if (first > last)
		return clear_part(map, offset, end);
	int result = clear_part(map, offset, first);
	if (result == 0)
		result = fallow_map_discard(map, first, last - first);
	return result == 0 ? clear_part(map, last, end) : result;
}

static int restore_record(struct fallow_map *map, const struct fl_image_record *record, const void *bytes)
{
	if (record->kind == FL_IMAGE_HOLE)
		return clear(map, record->offset, record->offset + record->length);
	size_t first = fl_align_down(record->offset, map->page_size);
	size_t end = fl_align_up(record->offset + record->length, map->page_size);
	int result = fallow_map_populate(map, first, end - first, FALLOW_POPULATE_WRITE);

	return result == 0 ? copy_in(map, record->offset, bytes, record->length) : result;
}

static int restore_records(struct fallow_map *map, struct fl_image_in *in, size_t total,
			   const struct fallow_restore_options *options)
{
	struct fl_image_record record;
	int result = fl_image_next(in, &record);

	while (result == 0 && record.kind != FL_IMAGE_END) {
		result = restore_record(map, &record, in->bytes);
		if (result == 0 && options->progress && !options->progress(map, in->ndata, total, options->context))
			result = -ECANCELED;
		if (result == 0)
			result = fl_image_next(in, &record);
	}
	return result;
}

/* Discarding would bring back what the file of a private map held. */
static bool can_be_emptied(const struct fallow_map *map)
{
	return map->backing.fd < 0 || map->backing.shared || !map->backing.had_storage;
}

/* The map as it is before the records: empty, or as its parent was, cut to the image's length. */
static int prepare(struct fallow_map *map, const struct fl_image_header *header)
{
	size_t length = fallow_map_size(map);

	return fl_image_has_parent(header) ? clear(map, header->length, length) : fallow_map_discard(map, 0, length);
}

static bool fits(const struct fallow_map *map, const struct fl_image_header *header)
{
	return !fl_image_has_parent(header) ||
	       (header->parent[0] == map->image[0] && header->parent[1] == map->image[1]);
}

static void keep_id(struct fallow_map *map, uint64_t first, uint64_t second)
{
	map->image[0] = first;
	map->image[1] = second;
}

static int restore(struct fallow_map *map, struct fl_image_in *in, const struct fl_image_header *header,
		   const struct fallow_restore_options *options)
{
	size_t length = fallow_map_size(map);

	if (header->length > length)
		return -ERANGE;
	if (!fits(map, header))
		return -ESTALE;
	if (!can_be_emptied(map))
		return -EOPNOTSUPP;
	keep_id(map, 0, 0);
	int result = prepare(map, header);
	if (result != 0)
		return result;
	result = restore_records(map, in, header->content, options);
	if (result == 0)
		keep_id(map, header->id[0], header->id[1]);
	else
		fallow_map_discard(map, 0, length);
	return result;
}

int fallow_snapshot_restore(struct fallow_map *map, int fd, const struct fallow_restore_options *options)
{
	static const struct fallow_restore_options defaults = FALLOW_RESTORE_OPTIONS_INIT;
	struct fl_image_header header;
	struct fl_image_in in;

	options = options ? options : &defaults;
	if (map == NULL || options->size != sizeof(*options))
		return -EINVAL;
	int result = fl_image_open(&in, fd, &header);
	if (result != 0)
		return result;
	result = restore(map, &in, &header, options);
	fl_image_close(&in);
	return result;
}
