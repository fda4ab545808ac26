/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The size classes' tables.
 */
#include "heap/class.h"

#include "extent/region.h"

const uint8_t fl_class_table[FL_TABLE_MOST / 16 + 1] = {
	0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	[17 ... 18] = 16, [19 ... 20] = 17, [21 ... 22] = 18, [23 ... 24] = 19,
	[25 ... 26] = 20, [27 ... 28] = 21, [29 ... 30] = 22, [31 ... 32] = 23,
	[33 ... 36] = 24, [37 ... 40] = 25, [41 ... 44] = 26, [45 ... 48] = 27,
	[49 ... 52] = 28, [53 ... 56] = 29, [57 ... 60] = 30, [61 ... 64] = 31,
};

#define CLASS(size, ngranules) { size, ngranules }
#define EIGHT(base, n)                                                                                                 \
	CLASS((base) * 9 / 8, n), CLASS((base) * 10 / 8, n), CLASS((base) * 11 / 8, n), CLASS((base) * 12 / 8, n),     \
		CLASS((base) * 13 / 8, n), CLASS((base) * 14 / 8, n), CLASS((base) * 15 / 8, n), CLASS((base) * 2, n)

const struct fl_class fl_classes[FL_NCLASSES] = {
	CLASS(16, 1), CLASS(32, 1), CLASS(48, 1), CLASS(64, 1), CLASS(80, 1), CLASS(96, 1), CLASS(112, 1), CLASS(128, 1),
	EIGHT(128, 1), EIGHT(256, 1), EIGHT(512, 1), EIGHT(1024, 1), EIGHT(2048, 2), EIGHT(4096, 4),
	/* From here on as many granules as leave at most a fiftieth of them unused. */
	CLASS(9216, 4), CLASS(10240, 5), CLASS(11264, 7), CLASS(12288, 3), CLASS(13312, 5), CLASS(14336, 4), CLASS(15360, 9),
	CLASS(16384, 4), CLASS(18432, 9), CLASS(20480, 5), CLASS(22528, 9), CLASS(24576, 6), CLASS(26624, 9),
	CLASS(28672, 7), CLASS(30720, 15), CLASS(32768, 8),
};
