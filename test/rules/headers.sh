#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Every public header compiles by itself, without a warning, in C (but those of C++) and in C++, and is installed.

. "$top_srcdir/test/lib/test.sh"
scratch
include=$top_srcdir/include

for header in "$include"/fallow/*.h "$include"/fallow/*.hpp; do
	name=fallow/${header##*/}
	printf '#include <%s>\n' "$name" >"$scratch/alone.c"
	cp "$scratch/alone.c" "$scratch/alone.cc"
	# The compilers carry their own options: CC may be two words.
	for c in "$CC -std=c99" "$CC -std=c11" "$CXX -std=c++11" "$CXX -std=c++17"; do
		case $c,$name in
		*c++*) source=alone.cc ;;
		*.hpp) continue ;;
		*) source=alone.c ;;
		esac
		$c -Wall -Wextra -Wpedantic -Werror -I"$include" -fsyntax-only "$scratch/$source" ||
			fail "$name does not compile alone with $c"
	done
	grep -q "include/$name\\b" "$top_srcdir/src/src.am" || fail "$name is not installed: src/src.am does not name it"
done
finish
