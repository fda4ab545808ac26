#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gcc: compiles a generated C file of many functions.
# usage: gcc.sh prepare|run SCALE
set -eu
command -v gcc >/dev/null || { echo "gcc is not installed"; exit 77; }
if [ "$1" = prepare ]; then
    sh "$(dirname "$0")/c-source.sh" $(($2 + 10)) >"$BENCH_WORK/gcc-$2.c"
    exit 0
fi
exec gcc -O2 -c -o /dev/null "$BENCH_WORK/gcc-$2.c"
