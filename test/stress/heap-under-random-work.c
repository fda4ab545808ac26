/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process heap under random work of many threads: every block keeps its contents, no request fails, children of fork
 * are whole, and when all is freed nothing is counted as in use.
 */
#include <fallow/stats.h>

#include "test/lib/place.h"
#include "test/stress/work.h"

int main(void)
{
	struct work work = { .narenas = 1, .size_shift = 20 };
	struct fallow_stats stats = FALLOW_STATS_INIT;

	work_run(&work);
	must_equal(work.nnull, 0);
	must_equal(fallow_stats_read(&stats), 0);
	must_equal(stats.nlarge, 0);
	must_equal(stats.large, 0);
	return 0;
}
