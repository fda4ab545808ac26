#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# z3: a bit-vector puzzle and a scheduling problem with arithmetic.
# usage: z3.sh prepare|run SCALE
set -eu
command -v z3 >/dev/null || { echo "z3 is not installed"; exit 77; }
if [ "$1" = prepare ]; then
    awk -v jobs="$(($2 / 4 + 5))" 'BEGIN {
        print "(set-option :smt.random_seed 1)"
        print "(declare-const a (_ BitVec 32)) (declare-const b (_ BitVec 32))"
        print "(push) (assert (= (bvmul a b) #x3ade68b1)) (assert (bvugt a #x00000001)) (assert (bvult a #x0000ffff)) (assert (bvult b #x0000ffff)) (assert (bvugt b #x00000001)) (check-sat) (pop)"
        for (j = 0; j < jobs; j++) {
            printf "(declare-const s%d Int) (declare-const m%d Int)\n", j, j
            printf "(assert (and (>= s%d 0) (<= (+ s%d %d) %d) (>= m%d 0) (< m%d 3)))\n", j, j, j % 5 + 2, jobs * 2, j, j
        }
        for (j = 0; j < jobs; j++)
            for (k = j + 1; k < jobs; k++)
                printf "(assert (or (not (= m%d m%d)) (<= (+ s%d %d) s%d) (<= (+ s%d %d) s%d)))\n", j, k, j, j % 5 + 2, k, k, k % 5 + 2, j
        print "(check-sat)"
    }' >"$BENCH_WORK/z3-$2.smt2"
    exit 0
fi
exec z3 -smt2 "$BENCH_WORK/z3-$2.smt2"
