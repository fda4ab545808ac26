#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Standard containers work on arenas by fallow::allocator (C++11 on) and std::pmr (C++17 on): there, aligned, equal where they
# should be, and out of memory is std::bad_alloc.

. "$top_srcdir/test/lib/test.sh"
scratch
ncompiled=0

for compiler in g++ clang++; do
	command -v $compiler >/dev/null || continue
	for standard in c++11 c++17 c++20; do
		$compiler -std=$standard -Wall -Wextra -Wpedantic -Wshadow -Werror -I"$top_srcdir/include" "$top_srcdir/test/api/containers.cc" \
			-o "$scratch/program" -L"$top_builddir/.libs" -lfallow -Wl,-rpath,"$top_builddir/.libs" ||
			{ fail "$compiler -std=$standard"; continue; }
		"$scratch/program" >"$scratch/out" || fail "the program of $compiler -std=$standard: $(cat "$scratch/out")"
		[ $standard = c++11 ] || grep -q pmr "$scratch/out" || fail "$compiler -std=$standard: without std::pmr"
		ncompiled=$((ncompiled + 1))
	done
done
[ $ncompiled -gt 0 ] || skip "there is no C++ compiler"
finish
