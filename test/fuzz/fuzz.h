/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces of the public API, decoded from bytes, beside models that know what may come of each call.
 *
 * An input is a sequence of calls: a byte says which, those after it say with what. Any input is a trace; where its bytes
 * end the trace does, and everything is freed and checked once more. The models are the test's own tables of blocks and pages,
 * and never ask the library what they could know. What is not as they say ends the process by abort(), as a fuzzer wants it.
 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_input {
	const uint8_t *bytes;
	size_t left;
};

/* The next byte, 0 when there is none. */
static inline unsigned int fuzz_byte(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

static inline unsigned int fuzz_below(struct fuzz_input *input, unsigned int n)
{
	return fuzz_byte(input) % n;
}

static inline bool fuzz_one_in(struct fuzz_input *input, unsigned int n)
{
	return fuzz_below(input, n) == n - 1;
}

/* What the trace and the models hold the library to. */
#define expect(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, 0, 0))
#define expect_equal(a, b)                                                                                             \
	do {                                                                                                           \
		long long expect_a = (long long)(a), expect_b = (long long)(b);                                        \
		if (expect_a != expect_b)                                                                              \
			fuzz_fail(__FILE__, __LINE__, #a " == " #b, expect_a, expect_b);                               \
	} while (0)

_Noreturn void fuzz_fail(const char *file, int line, const char *condition, long long a, long long b);

/* Decode and make the next call, on arenas and blocks, or on maps. */
void fuzz_heap_step(struct fuzz_input *input);
void fuzz_map_step(struct fuzz_input *input);

/* Check all there is and let it go. */
void fuzz_heap_end(void);
void fuzz_map_end(void);

/* The whole of an input; the name and the answer, 0, are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nbytes);

#endif
