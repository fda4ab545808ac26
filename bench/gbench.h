/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Google Benchmark for programs in C: gbench.cc is the only C++ behind it.
 *
 * A benchmark is a function that does its preparations, loops while gbench_next() says so, and cleans up:
 *
 *	static void body(struct gbench_state *state)
 *	{
 *		size_t size = (size_t)gbench_argument(state);
 *		while (gbench_next(state, 1))
 *			free(gbench_kept(malloc(size)));
 *	}
 *
 * It is registered before gbench_main(), which understands all of Google Benchmark's --benchmark_* options. With several
 * threads each runs the body; preparations in one are seen by all once gbench_next() has been called.
 */
#ifndef FALLOW_BENCH_GBENCH_H
#define FALLOW_BENCH_GBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench_state;
typedef void gbench_body(struct gbench_state *state);

struct gbench {
	const char *name;
	gbench_body *body;
	const char *argument_name; /* of the one argument; NULL: it has none */
	const int64_t *arguments;  /* one run each */
	size_t narguments;
	int nthreads;              /* 0 is 1 */
	bool real_time;            /* report and steer by the clock on the wall: for bodies with threads or waits */
};

void gbench_add(const struct gbench *benchmark);

/* Runs what was added and the options choose. The program's exit status. */
int gbench_main(int argc, char **argv);

/* May the loop go on, for another batch of n iterations? */
bool gbench_next(struct gbench_state *state, int64_t n);

int64_t gbench_argument(const struct gbench_state *state);
int gbench_thread(const struct gbench_state *state);

/* For rates in the report: bytes worked on in all iterations. */
void gbench_bytes(struct gbench_state *state, int64_t nbytes);

/* This run ends without a result; the reason is reported. The caller returns. */
void gbench_skip(struct gbench_state *state, const char *reason);

/* The compiler must believe that the pointer is used. */
static inline void *gbench_kept(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer) : : "memory");
	return pointer;
}

#ifdef __cplusplus
}
#endif

#endif
