#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A C++ program that includes every public header compiles without a warning as C++11, 17 and 20 and works, and each
# header can be included by itself, in C too.

. "$top_srcdir/test/lib/test.sh"
scratch
warnings="-Wall -Wextra -Wpedantic -Werror"
ncompiled=0

for compiler in g++ clang++; do
	command -v $compiler >/dev/null || continue
	for standard in c++11 c++17 c++20; do
		$compiler -std=$standard $warnings -I"$top_srcdir/include" "$top_srcdir/test/api/headers-in-cxx.cc" \
			-o "$scratch/program" -L"$top_builddir/.libs" -lfallow -Wl,-rpath,"$top_builddir/.libs" ||
			fail "$compiler -std=$standard"
		"$scratch/program" || fail "the program of $compiler -std=$standard ends with $?"
		ncompiled=$((ncompiled + 1))
	done
done
[ $ncompiled -gt 0 ] || skip "there is no C++ compiler"

for header in "$top_srcdir"/include/fallow/*.h; do
	name=fallow/$(basename "$header")
	printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$name" "$name" >"$scratch/alone.c"
	${CC:-cc} -std=c11 $warnings -I"$top_srcdir/include" -fsyntax-only "$scratch/alone.c" || fail "$name by itself in C"
	${CXX:-c++} -std=c++11 $warnings -I"$top_srcdir/include" -fsyntax-only -x c++ "$scratch/alone.c" ||
		fail "$name by itself in C++"
done
finish
