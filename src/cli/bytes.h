/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers and texts as bytes: how recordings have them, see doc/recording-format.md.
 *
 * A number has 7 bits in each byte, the lowest first, and the top bit where more follow. Reading never leaves what there is:
 * past its end, or at a number of more than 64 bits, everything reads as 0 and failed is set.
 */
#ifndef FL_CLI_BYTES_H
#define FL_CLI_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes being written; zeroed is empty. Ends the process when there is no memory. */
struct fl_bytes {
	uint8_t *data; /* malloc's */
	size_t length;
	size_t room;
};

void fl_bytes_put(struct fl_bytes *bytes, const void *data, size_t length);
void fl_bytes_put_number(struct fl_bytes *bytes, uint64_t number);
void fl_bytes_put_difference(struct fl_bytes *bytes, uint64_t now, uint64_t before);
void fl_bytes_put_text(struct fl_bytes *bytes, const char *text);

/* Bytes being read. */
struct fl_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

uint64_t fl_cursor_number(struct fl_cursor *cursor);
/* What is now, from what was before. */
uint64_t fl_cursor_difference(struct fl_cursor *cursor, uint64_t before);
/* A text of malloc's, without control characters. */
char *fl_cursor_text(struct fl_cursor *cursor);

/* CRC-32C of bytes behind those that checksum is of; 0 of none. */
uint32_t fl_checksum(uint32_t checksum, const void *data, size_t length);

#endif
