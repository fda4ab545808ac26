/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images of maps as bytes: written and read from start to end, in a file, a pipe or a socket. doc/snapshot-format.md is
 * the format.
 *
 *     header | record bytes | record bytes | ... | trailer
 *
 * Each record has a checksum over itself and its bytes, seeded with that of the header, which has a random id: so a
 * record of an older image, on whose file a newer one was begun, is not taken for one of the newer. The trailer is a
 * record that counts the others.
 */
#ifndef FL_MAP_IMAGE_H
#define FL_MAP_IMAGE_H

#include "map/descriptor.h"

#define FL_IMAGE_MAGIC UINT64_C(0x0a676d49776c6c66) /* "fllwImg\n" */
#define FL_IMAGE_VERSION 1
#define FL_IMAGE_GRANULE (4 * FL_KIB)      /* what records are multiples of, whatever the map's pages */
#define FL_IMAGE_LONGEST (64 * FL_KIB)     /* bytes of a record */

/* How long to wait before one looks whether the descriptors that would end the waiting are still there. */
#define FL_IMAGE_POLL_MS 1000

/* Integers are in the byte order of the machine, as the magic shows. */
struct fl_image_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* bytes: where the first record is */
	uint64_t length;      /* bytes of the map */
	uint64_t page_size;   /* bytes */
	uint64_t content;     /* bytes that were there; the records may have less */
	uint64_t id[2];       /* random */
	uint64_t parent[2];   /* of the image whose changes this one holds; 0: it holds everything */
	uint32_t reserved;    /* 0 */
	uint32_t checksum;    /* of all before it */
};

enum fl_image_kind {
	FL_IMAGE_DATA = 1, /* followed by the bytes */
	FL_IMAGE_HOLE = 2, /* reads zero; in images that have a parent */
	FL_IMAGE_END = 3,  /* the trailer: offset is 0, length the bytes of all data */
};

struct fl_image_record {
	uint32_t kind;
	uint32_t checksum; /* seeded with the header's; of the record, with 0 here, and its bytes */
	uint64_t offset;   /* bytes, in the map */
	uint64_t length;   /* bytes */
	uint64_t number;   /* records before this one */
};

struct fl_image_out {
	const struct fl_descriptor *file;
	const struct fl_descriptor *stop; /* when it is readable, writing ends with -ECANCELED */
	bool waits;     /* writing may wait long, for a reader */
	bool changes;   /* the image has a parent: what is zero is recorded as a hole */
	uint32_t seed;
	uint64_t nrecords;
	uint64_t ndata;
	uint64_t nwritten; /* bytes, atomic */
	unsigned char *buffer;
	size_t used;
};

/*
 * Begin an image; fills in magic, version, header_size, id and checksum. 0 or -errno, then with nothing to free. The
 * descriptors are the caller's.
 */
int fl_image_begin(struct fl_image_out *out, const struct fl_descriptor *file, const struct fl_descriptor *stop,
		   struct fl_image_header *header);

/*
 * Content at offset of the map, both whole granules; of those that are zero there is a hole, or nothing in an image
 * without a parent. 0 or -errno of writing.
 */
int fl_image_put(struct fl_image_out *out, uint64_t offset, const void *bytes, size_t length);

/* A range that reads as zero, in an image that has a parent. */
int fl_image_put_hole(struct fl_image_out *out, uint64_t offset, uint64_t length);

/* The trailer. All is written on success, though perhaps not on the disk. */
int fl_image_end(struct fl_image_out *out);

void fl_image_free(struct fl_image_out *out);

struct fl_image_in {
	int fd;
	uint32_t seed;
	uint64_t nrecords;
	uint64_t ndata;
	uint64_t length; /* of the map */
	bool changes;    /* the image has a parent */
	unsigned char *bytes;
};

/* Whether it holds the changes to another image. */
static inline bool fl_image_has_parent(const struct fl_image_header *header)
{
	return header->parent[0] != 0 || header->parent[1] != 0;
}

/* Begin reading. -EBADMSG: no image; -EOPNOTSUPP: of a later version; what reading says. Nothing to free on failure. */
int fl_image_open(struct fl_image_in *in, int fd, struct fl_image_header *header);

/* The next record, which lies in the map, and in->bytes its bytes. -EBADMSG: damaged, or the image ends before its end. */
int fl_image_next(struct fl_image_in *in, struct fl_image_record *record);

void fl_image_close(struct fl_image_in *in);

#endif
