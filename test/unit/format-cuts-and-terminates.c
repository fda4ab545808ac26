/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fl_format() writes what printf would for the conversions it knows, never past the buffer, and terminates always;
 * fl_parse_number() stops at the first other character and refuses what does not fit.
 */
#include "base/format.h"

#include <string.h>

#include "test/lib/test.h"

static void conversions_read_as_in_printf(void **state)
{
	char buffer[128];
	size_t length = fl_format(buffer, sizeof(buffer), "%s %d %u %lu %zu %lx %%", "text", -7, 7u, 1ul << 40, (size_t)9,
	                          0xbeeful);

	(void)state;
	assert_string_equal(buffer, "text -7 7 1099511627776 9 beef %");
	assert_int_equal(length, strlen(buffer));
}

static void every_length_is_kept(void **state)
{
	const char whole[] = "abc 12345 def";
	char buffer[32];

	(void)state;
	for (size_t room = 1; room < sizeof(buffer); room++) {
		size_t fits = room - 1 < strlen(whole) ? room - 1 : strlen(whole);

		memset(buffer, '#', sizeof(buffer));
		assert_int_equal(fl_format(buffer, room, "%s %d def", "abc", 12345), fits);
		assert_memory_equal(buffer, whole, fits);
		assert_int_equal(buffer[fits], '\0');
		for (size_t i = room; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], '#');
	}
}

static void extremes_are_written_whole(void **state)
{
	char buffer[64];

	(void)state;
	fl_format(buffer, sizeof(buffer), "%d %lu", INT32_MIN, UINT64_MAX);
	assert_string_equal(buffer, "-2147483648 18446744073709551615");
}

static void numbers_end_where_digits_end(void **state)
{
	const char text[] = "512M";
	uint64_t value = 0;

	(void)state;
	assert_ptr_equal(fl_parse_number(text, &value), text + 3);
	assert_int_equal(value, 512);
	assert_non_null(fl_parse_number("18446744073709551615", &value));
	assert_true(value == UINT64_MAX);
	assert_null(fl_parse_number("18446744073709551616", &value));
	assert_null(fl_parse_number("", &value));
	assert_null(fl_parse_number("-1", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversions_read_as_in_printf),
		cmocka_unit_test(every_length_is_kept),
		cmocka_unit_test(extremes_are_written_whole),
		cmocka_unit_test(numbers_end_where_digits_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
