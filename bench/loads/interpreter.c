/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A string-heavy interpreter: values made by concatenation, growing buffers, lists of words, all short-lived.
 *
 * A small table of variables holds strings; each statement builds new ones from
 * old ones: append to a buffer by realloc, split into words, join, compare.
 */

#include "load.h"

enum { VARIABLES = 512, WORDS_MOST = 64 };

static char *variables[VARIABLES];

static char *string_copy(const char *text, size_t length)
{
	char *copy = load_must(malloc(length + 1));

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

/* Appends as script interpreters do: capacity grows by half. */
static void buffer_append(char **buffer, size_t *length, size_t *capacity, const char *text, size_t text_length)
{
	if (*length + text_length + 1 > *capacity) {
		*capacity = (*length + text_length + 1) * 3 / 2;
		*buffer = load_must(realloc(*buffer, *capacity));
	}
	memcpy(*buffer + *length, text, text_length);
	*length += text_length;
	(*buffer)[*length] = '\0';
}

static unsigned string_split(const char *text, char **words)
{
	unsigned count = 0;

	while (*text && count < WORDS_MOST) {
		size_t length = strcspn(text, " ");

		words[count++] = string_copy(text, length);
		text += length + (text[length] == ' ');
	}
	return count;
}

/* One statement: words of some variables in another order, with a new number at the end. */
static char *statement_run(uint64_t *state)
{
	char *buffer = NULL, *words[WORDS_MOST], number[24];
	size_t length = 0, capacity = 0;

	for (int part = 0; part < 3; part++) {
		unsigned count = string_split(variables[load_random(state) % VARIABLES], words);

		for (unsigned i = count; i-- > 0;) {
			if (length < 400) {
				buffer_append(&buffer, &length, &capacity, words[i], strlen(words[i]));
				buffer_append(&buffer, &length, &capacity, " ", 1);
			}
			free(words[i]);
		}
	}
	snprintf(number, sizeof number, "%u", (unsigned)(load_random(state) % 100000));
	buffer_append(&buffer, &length, &capacity, number, strlen(number));
	return load_must(realloc(buffer, length + 1));
}

int main(int argc, char **argv)
{
	long statements = load_scaled(argc, argv, 200000);
	uint64_t state = load_seed(0), check = 0;

	for (int v = 0; v < VARIABLES; v++)
		variables[v] = string_copy("a few words", 11);
	for (long s = 0; s < statements; s++) {
		unsigned v = load_random(&state) % VARIABLES;
		char *value = statement_run(&state);

		check += strlen(value);
		/* Now and then a variable starts afresh, or all strings would reach their longest. */
		if (load_random(&state) % 8 == 0)
			value[strcspn(value, " ")] = '\0';
		free(variables[v]);
		variables[v] = value;
	}
	for (int v = 0; v < VARIABLES; v++)
		free(variables[v]);
	load_report("interpreter", statements, check);
	return 0;
}
