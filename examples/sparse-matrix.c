/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sparse-matrix: a matrix that is stored as if it were dense, and costs what is not zero.
 *
 * Numerical programs map a large array and trust the kernel's zero page: reading what was never written costs a fault
 * for each 4 KiB, and a page table entry (the huge zero page came into the kernel for such a load). Whether the pages will
 * be there when the solver writes them nobody knows before. Here the zeros are populated for reading in one call, in
 * huge pages; tiles are populated for writing before they are filled, and a tile that does not fit is an error.
 */
#include "example.h"

#include <errno.h>

#define N ((size_t)8192)           /* rows and columns of doubles: 512 MiB */
#define BYTES (N * N * sizeof(double))
#define ROW (N * sizeof(double))
#define BAND ((size_t)32)          /* rows of a band: 2 MiB, one huge page */
#define NBANDS 8                   /* that are not zero */

static struct fallow_map *map;
static double *matrix;
static size_t idle;

static void show(const char *what, double began)
{
	printf("%-40s %6.1f ms, %3zu MiB of memory, %4zu KiB of page tables\n", what, example_ms() - began,
	       (example_own("RssAnon:") - idle) / MIB, example_own("VmPTE:") / KIB);
}

/* Rows of the bands that are not zero, far from each other. */
static size_t band_row(size_t band)
{
	return band * (N / NBANDS) + N / NBANDS / 2;
}

static double element(size_t row, size_t column)
{
	return (double)((row * 7 + column * 3) % 11) - 5;
}

static int fill(size_t band)
{
	size_t row = band_row(band);
	int result = fallow_map_populate(map, row * ROW, BAND * ROW, FALLOW_POPULATE_WRITE);

	for (size_t i = row; result == 0 && i < row + BAND; i++) {
		for (size_t j = 0; j < N; j++)
			matrix[i * N + j] = element(i, j);
	}
	return result;
}

/* Of the matrix times a vector of ones, what should be and what is: all of it is read. */
static void multiply(size_t nbands)
{
	double wanted = 0, sum = 0;

	for (size_t band = 0; band < nbands; band++) {
		for (size_t i = band_row(band); i < band_row(band) + BAND; i++) {
			for (size_t j = 0; j < N; j++)
				wanted += element(i, j);
		}
	}
	for (size_t i = 0; i < N * N; i++)
		sum += matrix[i];
	promise(sum == wanted, "what was not written is zero, and what was written is there");
}

int main(void)
{
	struct fallow_map_options options = FALLOW_MAP_OPTIONS_INIT;
	double began = example_ms();

	options.length = BYTES;
	options.thp = FALLOW_THP_ALWAYS;
	map = example_map(&options);
	matrix = fallow_map_base(map);
	idle = example_own("RssAnon:");
	show("a matrix of 512 MiB", began);

	began = example_ms();
	promise(fallow_map_populate(map, 0, BYTES, FALLOW_POPULATE_READ) == 0, "zeros can be had");
	show("its zeros populated for reading", began);
	promise(example_own("RssAnon:") < idle + 4 * MIB, "zeros cost no memory");

	began = example_ms();
	multiply(0);
	show("multiplied, without a fault", began);
	promise(example_own("RssAnon:") < idle + 4 * MIB, "reading costs no memory");

	began = example_ms();
	for (size_t band = 0; band < NBANDS; band++)
		promise(fill(band) == 0, "a tile can be had");
	show("8 bands of 2 MiB filled", began);
	promise(example_own("RssAnon:") < idle + NBANDS * BAND * ROW + 4 * MIB, "it costs what is not zero");

	began = example_ms();
	multiply(NBANDS);
	show("multiplied", began);

	/* The zeros count, too: nothing can be added below this limit. */
	promise(fallow_map_discard(map, 0, BYTES) == 0 && fallow_map_set_limit(map, BAND * ROW) == 0, "there are limits");
	promise(fill(0) == 0 && fill(1) == -ENOMEM, "no is an answer");
	printf("one band too many: %s\n", example_why());
	multiply(1);
	fallow_map_destroy(map);
	return 0;
}
