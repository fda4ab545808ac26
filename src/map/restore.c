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

/* System calls answer where a touch of a file that others cut short would be a signal. */
static int copy_in(struct fallow_map *map, size_t offset, const void *bytes, size_t length)
{
	struct iovec from = { (void *)bytes, length }, to = { (void *)(map->base + offset), length };
	ssize_t n = fl_os_write_self(&from, 1, &to, 1);

	if (n < 0)
		return (int)n;
	return (size_t)n == length ? 0 : -EFAULT;
}

static int restore_record(struct fallow_map *map, const struct fl_image_record *record, const void *bytes)
{
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

static int restore(struct fallow_map *map, struct fl_image_in *in, const struct fl_image_header *header,
		   const struct fallow_restore_options *options)
{
	size_t length = fallow_map_size(map);

	if (header->length > length)
		return -ERANGE;
	if (header->parent[0] != 0 || header->parent[1] != 0 || !can_be_emptied(map))
		return -EOPNOTSUPP;
	int result = fallow_map_discard(map, 0, length);
	if (result != 0)
		return result;
	result = restore_records(map, in, header->content, options);
	if (result != 0)
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
