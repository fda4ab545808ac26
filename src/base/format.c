/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf's most needed tenth, for messages from inside the allocator.
 */
#include "base/format.h"

struct output {
	char *next;
	char *end; /* one before the buffer's end: room for the terminator */
};

static void put(struct output *out, char c)
{
	if (out->next < out->end)
		*out->next++ = c;
}

static void put_text(struct output *out, const char *text)
{
	for (text = text ? text : "(null)"; *text; text++)
		put(out, *text);
}

static void put_number(struct output *out, uint64_t value, unsigned int radix)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % radix];
		value /= radix;
	} while (value != 0);
	while (n > 0)
		put(out, digits[--n]);
}

static void put_signed(struct output *out, int64_t value)
{
	if (value < 0)
		put(out, '-');
	put_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

size_t fl_format_list(char *buffer, size_t length, const char *format, va_list arguments)
{
	struct output out = { buffer, buffer + length - 1 };

	for (; *format; format++) {
		if (*format != '%') {
			put(&out, *format);
			continue;
		}
		bool wide = false;
		format++;
		if (*format == 'z' || *format == 'l') {
			wide = true;
			format++;
		}
		switch (*format) {
		case 's':
			put_text(&out, va_arg(arguments, const char *));
			break;
		case 'd':
			put_signed(&out, va_arg(arguments, int));
			break;
		case 'u':
			put_number(&out, wide ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned int), 10);
			break;
		case 'x':
			put_number(&out, wide ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned int), 16);
			break;
		case 'p':
			put_text(&out, "0x");
			put_number(&out, (uintptr_t)va_arg(arguments, void *), 16);
			break;
		default:
			put(&out, *format);
			break;
		}
	}
	*out.next = '\0';
	return (size_t)(out.next - buffer);
}

size_t fl_format(char *buffer, size_t length, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	size_t n = fl_format_list(buffer, length, format, arguments);
	va_end(arguments);
	return n;
}

const char *fl_parse_number(const char *text, uint64_t *value)
{
	uint64_t result = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(result, 10, &result) ||
		    __builtin_add_overflow(result, (uint64_t)(*at - '0'), &result))
			return NULL;
	}
	*value = result;
	return at == text ? NULL : at;
}
