#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# New traces, found by libFuzzer from the corpus on, do what the models say, under the address sanitizer and debug checks:
# always the same few hundred, or others for FUZZ_SECONDS. The build and what was found stay in again/fuzz: a trace that fails as crash-*, timeout-* or
# leak-*, for test/fuzz/replay to be given; those that run new code in found/.
#
#     again/fuzz/test/fuzz/fuzzer -merge=1 SMALLER again/fuzz/found test/fuzz/corpus     makes a corpus that covers as much

. "$top_srcdir/test/lib/test.sh"
command -v clang >/dev/null || skip "clang is not installed"

source=$top_srcdir
build=$top_builddir/again/fuzz
unset MAKEFLAGS MFLAGS MAKELEVEL top_srcdir top_builddir
mkdir -p "$build/found" && cd "$build" || exit 99
[ -e Makefile ] || "$source/configure" -q --disable-shared --enable-debug --enable-sanitizer=address CC=clang \
	CXX=clang++ CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" || { tail -n 40 config.log; exit 1; }
make -s test/fuzz/fuzzer || { fail "the fuzzer's build"; finish; }
# Unquoted on purpose: one word or two.
bound=${FUZZ_SECONDS:+-max_total_time=$FUZZ_SECONDS}
test/fuzz/fuzzer ${bound:--seed=1 -runs=500} -timeout=60 -rss_limit_mb=2560 -max_len=2048 -print_final_stats=1 \
	-artifact_prefix="$build/" found "$source/test/fuzz/corpus" >fuzz.out 2>&1 || fail "a trace does not do what the model says"
grep -v '^#\|^fallow: \|^INFO:' fuzz.out | tail -n 60
finish
