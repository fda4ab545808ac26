#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The random work of test/stress for minutes, each time with another seed, which is printed.

cd "$top_builddir" || exit 99
rounds=${SOAK_ROUNDS:-20}
seed=${STRESS_SEED:-1000}
while [ "$rounds" -gt 0 ]; do
	for program in heap-under-random-work arenas-under-random-work maps-under-random-work; do
		echo "$program:"
		STRESS_SEED=$seed STRESS_SECONDS=15 test/stress/$program || exit 1
	done
	rounds=$((rounds - 1))
	seed=$((seed + 1))
done
