/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that checksums are CRC-32C as published (RFC 3720, B.4), by the processor as by the table, in one piece as in
 * several, at any alignment.
 */
#include "base/crc32c.h"
#include "test/lib/test.h"

#define LENGTH 300

static void are_as_published(void **state)
{
	unsigned char bytes[32] = { 0 };

	(void)state;
	assert_int_equal(fl_crc32c(0, bytes, 0), 0);
	assert_int_equal(fl_crc32c(0, bytes, 32), 0x8a9136aa);
	for (size_t i = 0; i < 32; i++)
		bytes[i] = (unsigned char)i;
	assert_int_equal(fl_crc32c(0, bytes, 32), 0x46dd794e);
	assert_int_equal(fl_crc32c(0, "123456789", 9), 0xe3069283);
}

static void agree_in_any_pieces(void **state)
{
	unsigned char bytes[LENGTH];

	(void)state;
	for (size_t i = 0; i < LENGTH; i++)
		bytes[i] = (unsigned char)(i * 167 + 13);
	for (size_t at = 0; at < LENGTH; at++) {
		uint32_t whole = fl_crc32c(7, bytes, LENGTH);
		assert_int_equal(fl_crc32c(fl_crc32c(7, bytes, at), bytes + at, LENGTH - at), whole);
		assert_int_equal(fl_crc32c(7, bytes + at, LENGTH - at), fl_crc32c_by_table(7, bytes + at, LENGTH - at));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(are_as_published),
		cmocka_unit_test(agree_in_any_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
