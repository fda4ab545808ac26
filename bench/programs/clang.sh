#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# clang: compiles C++ that leans on the standard library's templates.
# usage: clang.sh prepare|run SCALE
set -eu
command -v clang++ >/dev/null || { echo "clang is not installed"; exit 77; }
if [ "$1" = prepare ]; then
    sh "$(dirname "$0")/cxx-source.sh" $(($2 / 25 + 1)) >"$BENCH_WORK/clang-$2.cc"
    exit 0
fi
exec clang++ -O1 -c -o /dev/null "$BENCH_WORK/clang-$2.cc"
