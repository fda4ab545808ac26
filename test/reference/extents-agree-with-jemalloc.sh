#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow's extents and jemalloc's agree on the same random traces; STRESS_SEED says from which seed on. Errors that are made on
# purpose are found.

. "$top_srcdir/test/lib/test.sh"
scratch
pkg-config --exists jemalloc || skip "no libjemalloc-dev"
seed=${STRESS_SEED:-1}

# Unquoted on purpose: these are lists of options.
$CC -g -O2 -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -I"$top_srcdir" -I"$top_srcdir/include" -I"$top_srcdir/src" \
	$(pkg-config --cflags jemalloc) -o "$scratch/trace" "$top_srcdir/test/reference/extents-agree-with-jemalloc.c" \
	"$top_srcdir/test/reference/fallow.c" "$top_srcdir/test/reference/jemalloc.c" \
	"$top_builddir/.libs/libfallow-core.a" $(pkg-config --libs jemalloc) -pthread || exit 99
for i in 0 1 2 3; do
	timeout 60 "$scratch/trace" $((seed + i)) || fail "seed $((seed + i)): $?"
done

for error in overlap dirt loss books; do
	timeout 60 "$scratch/trace" 1 $error >"$scratch/out" 2>&1
	[ $? -eq 1 ] && grep -q '^fallow: ' "$scratch/out" || { fail "$error was not found"; cat "$scratch/out"; }
done
finish
