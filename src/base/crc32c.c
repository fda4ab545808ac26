/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C by instruction, 8 bytes at a time, or half a byte at a time by a table that a reader can check: entry i is i
 * shifted out through the reflected polynomial 0x82f63b78.
 */
#include "base/crc32c.h"

uint32_t fl_crc32c_by_table(uint32_t crc, const void *bytes, size_t length)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const unsigned char *byte = bytes;

	crc = ~crc;
	for (; length > 0; length--, byte++) {
		crc ^= *byte;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

#ifdef __x86_64__

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;
	uint64_t word, sum = (uint32_t)~crc;

	for (; length >= sizeof(word); length -= sizeof(word), byte += sizeof(word)) {
		__builtin_memcpy(&word, byte, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
	}
	crc = (uint32_t)sum;
	for (; length > 0; length--, byte++)
		crc = __builtin_ia32_crc32qi(crc, *byte);
	return ~crc;
}

uint32_t fl_crc32c(uint32_t crc, const void *bytes, size_t length)
{
	return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes, length) :
						  fl_crc32c_by_table(crc, bytes, length);
}

#else

uint32_t fl_crc32c(uint32_t crc, const void *bytes, size_t length)
{
	return fl_crc32c_by_table(crc, bytes, length);
}

#endif
