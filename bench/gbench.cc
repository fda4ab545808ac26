// SPDX-License-Identifier: BSD-2-Clause
// The C shim over Google Benchmark: a gbench_state is a benchmark::State under another name.

#include "gbench.h"

#include <benchmark/benchmark.h>

static benchmark::State &state_of(gbench_state *state)
{
	return *reinterpret_cast<benchmark::State *>(state);
}

static const benchmark::State &state_of(const gbench_state *state)
{
	return *reinterpret_cast<const benchmark::State *>(state);
}

void gbench_add(const gbench *given)
{
	gbench_body *body = given->body;
	auto *made = benchmark::RegisterBenchmark(given->name, [body](benchmark::State &state) {
		body(reinterpret_cast<gbench_state *>(&state));
	});

	if (given->argument_name != nullptr)
		made->ArgName(given->argument_name);
	for (size_t i = 0; given->argument_name != nullptr && i < given->narguments; i++)
		made->Arg(given->arguments[i]);
	if (given->nthreads > 1)
		made->Threads(given->nthreads);
	if (given->real_time)
		made->UseRealTime();
}

int gbench_main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	return 0;
}

bool gbench_next(gbench_state *state, int64_t n)
{
	return state_of(state).KeepRunningBatch(n);
}

int64_t gbench_argument(const gbench_state *state)
{
	return state_of(state).range(0);
}

int gbench_thread(const gbench_state *state)
{
	return state_of(state).thread_index();
}

void gbench_bytes(gbench_state *state, int64_t nbytes)
{
	state_of(state).SetBytesProcessed(nbytes);
}

void gbench_skip(gbench_state *state, const char *reason)
{
	state_of(state).SkipWithError(reason);
}
