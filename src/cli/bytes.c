/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing and reading bytes; see bytes.h.
 */
#include "cli/bytes.h"

#include <stdlib.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78 /* Castagnoli's, reflected */
#define NUMBER_BITS 7

void fl_bytes_put(struct fl_bytes *bytes, const void *data, size_t length)
{
	if (length == 0)
		return;
	if (bytes->room - bytes->length < length) {
		bytes->room = 2 * bytes->room + length;
		bytes->data = realloc(bytes->data, bytes->room);
		if (bytes->data == NULL)
			abort();
	}
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

void fl_bytes_put_number(struct fl_bytes *bytes, uint64_t number)
{
	uint8_t digits[(64 + NUMBER_BITS - 1) / NUMBER_BITS];
	size_t n = 0;

	for (; number >= 1 << NUMBER_BITS; number >>= NUMBER_BITS)
		digits[n++] = (uint8_t)(number | 1 << NUMBER_BITS);
	digits[n++] = (uint8_t)number;
	fl_bytes_put(bytes, digits, n);
}

/* Small differences of either sign are small numbers: 0, -1, 1, -2 are 0, 1, 2, 3. */
void fl_bytes_put_difference(struct fl_bytes *bytes, uint64_t now, uint64_t before)
{
	uint64_t difference = now - before;

	fl_bytes_put_number(bytes, difference >> 63 ? ~(difference << 1) : difference << 1);
}

void fl_bytes_put_text(struct fl_bytes *bytes, const char *text)
{
	size_t length = strlen(text);

	fl_bytes_put_number(bytes, length);
	fl_bytes_put(bytes, text, length);
}

static void fail(struct fl_cursor *cursor)
{
	cursor->failed = true;
	cursor->at = cursor->end;
}

uint64_t fl_cursor_number(struct fl_cursor *cursor)
{
	uint64_t number = 0;

	for (unsigned int shift = 0; shift < 64 && cursor->at < cursor->end; shift += NUMBER_BITS) {
		uint8_t digit = *cursor->at++;
		number |= (uint64_t)(digit & ((1 << NUMBER_BITS) - 1)) << shift;
		if (digit >> NUMBER_BITS == 0)
			return number;
	}
	fail(cursor);
	return 0;
}

uint64_t fl_cursor_difference(struct fl_cursor *cursor, uint64_t before)
{
	uint64_t number = fl_cursor_number(cursor);

	return before + (number & 1 ? ~(number >> 1) : number >> 1);
}

char *fl_cursor_text(struct fl_cursor *cursor)
{
	uint64_t length = fl_cursor_number(cursor);

	if (length > (size_t)(cursor->end - cursor->at)) {
		fail(cursor);
		length = 0;
	}
	char *text = malloc(length + 1);
	if (text == NULL)
		abort();
	memcpy(text, cursor->at, length);
	text[length] = '\0';
	cursor->at += length;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
	return text;
}

uint32_t fl_checksum(uint32_t checksum, const void *data, size_t length)
{
	static uint32_t table[256];
	const uint8_t *bytes = data;

	for (uint32_t i = 1; table[255] == 0 && i < 256; i++) {
		uint32_t value = i;
		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
		table[i] = value;
	}
	checksum = ~checksum;
	for (size_t i = 0; i < length; i++)
		checksum = checksum >> 8 ^ table[(checksum ^ bytes[i]) & 0xff];
	return ~checksum;
}
