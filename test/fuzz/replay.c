/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that the traces of the corpus, and some thousand random ones, do what the models say. By the same code as the
 * fuzzer's, but for a compiler that has none. FUZZ_RANDOM in the environment says how many random traces, from STRESS_SEED on.
 *
 *     replay [FILE]...    those files instead
 */
#include "test/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/unit/random.h"

#define NBYTES_MOST 4096

static void run(const uint8_t *bytes, size_t nbytes)
{
	/* A trace that does not end is an error as well. */
	alarm(60);
	LLVMFuzzerTestOneInput(bytes, nbytes);
}

static void run_file(const char *path)
{
	uint8_t bytes[NBYTES_MOST];
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size_t n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	/* Last words, when it aborts. */
	fprintf(stderr, "%s\n", path);
	run(bytes, n);
}

static size_t run_corpus(void)
{
	const char *source = getenv("top_srcdir");
	struct dirent **entries;
	char path[4096];
	size_t nfiles = 0;

	snprintf(path, sizeof(path), "%s/test/fuzz/corpus", source ? source : ".");
	int n = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/test/fuzz/corpus/%s", source ? source : ".", entries[i]->d_name);
		if (entries[i]->d_name[0] != '.') {
			run_file(path);
			nfiles++;
		}
		free(entries[i]);
	}
	return nfiles;
}

static unsigned long setting(const char *name, unsigned long fallback)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : fallback;
}

static void run_random(uint64_t seed)
{
	uint8_t bytes[NBYTES_MOST];
	uint64_t state = seed;
	size_t n = 1 + random_below(&state, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)random_next(&state);
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	run(bytes, n);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc > 1)
		return 0;
	size_t nfiles = run_corpus();
	unsigned long seed = setting("STRESS_SEED", 1), nrandom = setting("FUZZ_RANDOM", 200);
	for (unsigned long i = 0; i < nrandom; i++)
		run_random(seed + i);
	printf("%zu traces of the corpus, %lu random ones from seed %lu on\n", nfiles, nrandom, seed);
	return nfiles > 0 ? 0 : 1;
}
