/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing collects records in a buffer, so that a file sees few and large writes. Where there is a reader on the other
 * side, a write never waits inside the kernel: poll waits for room or for being told to stop.
 */
#include "map/image.h"

#include <errno.h>

#include "base/crc32c.h"
#include "os/kernel.h"
#include "os/os.h"

#define ROOM (16 * FL_IMAGE_LONGEST)

_Static_assert(sizeof(struct fl_image_header) == 80 && sizeof(struct fl_image_record) == 32, "the format has no padding");

static int map_buffer(unsigned char **buffer, size_t length)
{
	void *place = NULL;
	int result = fl_os_mmap(&place, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*buffer = place;
	return result;
}

/* -EAGAIN: poll and try again. */
static ssize_t write_some(struct fl_image_out *out, const unsigned char *bytes, size_t length)
{
	ssize_t n = out->waits ? fl_os_write_now(out->file->fd, bytes, length) : fl_os_write(out->file->fd, bytes, length);

	/* A file that knows no writing without waiting is written to in parts for which poll has promised room. */
	if (n == -EOPNOTSUPP)
		n = fl_os_write(out->file->fd, bytes, fl_min(length, FL_IMAGE_GRANULE));
	return n;
}

static int wait_for_room(struct fl_image_out *out)
{
	struct pollfd files[] = { { out->file->fd, POLLOUT, 0 }, { out->stop->fd, POLLIN, 0 } };
	int n = 0;

	while (n == 0 || n == -EINTR) {
		if (!fl_descriptor_is_ours(out->file) || !fl_descriptor_is_ours(out->stop))
			return -EBADF;
		n = fl_os_poll(files, FL_LENGTH(files), FL_IMAGE_POLL_MS);
	}
	if (n < 0)
		return n;
	if (files[1].revents == 0)
		return 0;
	/* Anything is answered of a number that was closed meanwhile. */
	return fl_descriptor_is_ours(out->stop) ? -ECANCELED : -EBADF;
}

static int write_all(struct fl_image_out *out, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		int result = out->waits ? wait_for_room(out) : 0;
		if (result != 0)
			return result;
		ssize_t n = write_some(out, bytes, length);
		if (n == -EAGAIN) {
			out->waits = true;
		} else if (n == 0) {
			return -EIO;
		} else if (n > 0) {
			bytes += n;
			length -= (size_t)n;
			__atomic_add_fetch(&out->nwritten, (uint64_t)n, __ATOMIC_RELAXED);
		} else if (n != -EINTR) {
			return (int)n;
		}
	}
	return 0;
}

static int flush(struct fl_image_out *out)
{
	int result = fl_descriptor_is_ours(out->file) ? write_all(out, out->buffer, out->used) : -EBADF;

	out->used = 0;
	return result;
}

static int append(struct fl_image_out *out, const void *bytes, size_t length)
{
	int result = out->used + length > ROOM ? flush(out) : 0;

	if (result == 0) {
		__builtin_memcpy(out->buffer + out->used, bytes, length);
		out->used += length;
	}
	return result;
}

int fl_image_begin(struct fl_image_out *out, const struct fl_descriptor *file, const struct fl_descriptor *stop,
		   struct fl_image_header *header)
{
	struct stat stat;

	*out = (struct fl_image_out){ .file = file, .stop = stop };
	int result = fl_os_fstat(file->fd, &stat);
	if (result == 0)
		result = map_buffer(&out->buffer, ROOM);
	if (result != 0)
		return result;
	out->waits = !S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode);
	out->changes = fl_image_has_parent(header);
	header->magic = FL_IMAGE_MAGIC;
	header->version = FL_IMAGE_VERSION;
	header->header_size = sizeof(*header);
	header->id[0] = fl_os_random();
	header->id[1] = fl_os_random();
	header->checksum = fl_crc32c(0, header, offsetof(struct fl_image_header, checksum));
	out->seed = header->checksum;
	return append(out, header, sizeof(*header));
}

static uint32_t sum(uint32_t seed, const struct fl_image_record *record, const void *bytes, size_t length)
{
	struct fl_image_record plain = *record;

	plain.checksum = 0;
	return fl_crc32c(fl_crc32c(seed, &plain, sizeof(plain)), bytes, length);
}

static int put_record(struct fl_image_out *out, enum fl_image_kind kind, uint64_t offset, uint64_t length,
		      const void *bytes)
{
	struct fl_image_record record = { .kind = kind, .offset = offset, .length = length, .number = out->nrecords++ };
	size_t nbytes = bytes ? length : 0;

	record.checksum = sum(out->seed, &record, bytes, nbytes);
	int result = append(out, &record, sizeof(record));
	return result == 0 && nbytes != 0 ? append(out, bytes, nbytes) : result;
}

static bool is_zero(const unsigned char *granule)
{
	uint64_t words[8], any = 0;

	for (size_t at = 0; at < FL_IMAGE_GRANULE && any == 0; at += sizeof(words)) {
		__builtin_memcpy(words, granule + at, sizeof(words));
		any = words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7];
	}
	return any == 0;
}

/* Bytes from the start that are not zero, or that are. */
static size_t run(const unsigned char *bytes, size_t length, bool zero)
{
	size_t n = 0;

	while (n < length && is_zero(bytes + n) == zero)
		n += FL_IMAGE_GRANULE;
	return n;
}

int fl_image_put(struct fl_image_out *out, uint64_t offset, const void *content, size_t length)
{
	const unsigned char *bytes = content;
	int result = 0;

	for (size_t at = 0, n; at < length && result == 0; at += n) {
		n = run(bytes + at, length - at, true);
		if (n != 0 && out->changes)
			result = fl_image_put_hole(out, offset + at, n);
		if (n != 0)
			continue;
		n = run(bytes + at, fl_min(length - at, FL_IMAGE_LONGEST), false);
		result = put_record(out, FL_IMAGE_DATA, offset + at, n, bytes + at);
		out->ndata += n;
	}
	return result;
}

int fl_image_put_hole(struct fl_image_out *out, uint64_t offset, uint64_t length)
{
	return put_record(out, FL_IMAGE_HOLE, offset, length, NULL);
}

int fl_image_end(struct fl_image_out *out)
{
	int result = put_record(out, FL_IMAGE_END, 0, out->ndata, NULL);

	return result == 0 ? flush(out) : result;
}

void fl_image_free(struct fl_image_out *out)
{
	fl_os_munmap(out->buffer, ROOM);
}

/* All of it, or -EBADMSG where the image ends before. */
static int read_all(int fd, void *place, size_t length)
{
	unsigned char *bytes = place;

	while (length > 0) {
		struct pollfd file = { fd, POLLIN, 0 };
		ssize_t n = fl_os_read(fd, bytes, length);
		if (n == 0)
			return -EBADMSG;
		if (n == -EAGAIN)
			n = fl_os_poll(&file, 1, -1) < 0 ? -EIO : 0;
		if (n < 0 && n != -EINTR)
			return (int)n;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

static int check_header(const struct fl_image_header *h)
{
	if (h->magic != FL_IMAGE_MAGIC || h->checksum != fl_crc32c(0, h, offsetof(struct fl_image_header, checksum)))
		return -EBADMSG;
	return h->version == FL_IMAGE_VERSION && h->header_size == sizeof(*h) && h->reserved == 0 ? 0 : -EOPNOTSUPP;
}

int fl_image_open(struct fl_image_in *in, int fd, struct fl_image_header *header)
{
	*in = (struct fl_image_in){ .fd = fd };
	int result = read_all(fd, header, sizeof(*header));
	if (result == 0)
		result = check_header(header);
	if (result == 0)
		result = map_buffer(&in->bytes, FL_IMAGE_LONGEST);
	in->seed = header->checksum;
	in->length = header->length;
	in->changes = fl_image_has_parent(header);
	return result;
}

static bool is_plausible(const struct fl_image_in *in, const struct fl_image_record *r)
{
	if (r->number != in->nrecords)
		return false;
	if (r->kind == FL_IMAGE_END)
		return r->offset == 0 && r->length == in->ndata;
	if (!(r->kind == FL_IMAGE_DATA && r->length <= FL_IMAGE_LONGEST) && !(r->kind == FL_IMAGE_HOLE && in->changes))
		return false;
	return r->length != 0 && r->offset % FL_IMAGE_GRANULE == 0 && r->length % FL_IMAGE_GRANULE == 0 &&
	       r->offset < in->length && r->length <= in->length - r->offset;
}

int fl_image_next(struct fl_image_in *in, struct fl_image_record *record)
{
	int result = read_all(in->fd, record, sizeof(*record));

	if (result == 0 && !is_plausible(in, record))
		result = -EBADMSG;
	size_t nbytes = record->kind == FL_IMAGE_DATA ? record->length : 0;
	if (result == 0)
		result = read_all(in->fd, in->bytes, nbytes);
	if (result == 0 && record->checksum != sum(in->seed, record, in->bytes, nbytes))
		result = -EBADMSG;
	in->nrecords++;
	in->ndata += nbytes;
	return result;
}

void fl_image_close(struct fl_image_in *in)
{
	fl_os_munmap(in->bytes, FL_IMAGE_LONGEST);
}
