#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs that were built with the address or the thread sanitizer have arenas and the heap of an ordinary libfallow, which
# keeps out of the sanitizers' address space.

. "$top_srcdir/test/lib/test.sh"
scratch

for sanitizer in address thread; do
	# Unquoted on purpose: the compiler carries its own options.
	$CC -g -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=$sanitizer -I"$top_srcdir/include" -o "$scratch/$sanitizer" \
		"$top_srcdir/test/clean/mistakes.c" -L"$top_builddir/.libs" -lfallow -Wl,-rpath,"$top_builddir/.libs" -pthread ||
		exit 99
	for where in "arena 100" "arena 100000" "heap 100"; do
		# That a freed block goes to another thread in good order the thread sanitizer does not see. Unquoted: two arguments.
		TSAN_OPTIONS=report_bugs=0 timeout 60 "$scratch/$sanitizer" $where none >"$scratch/out" 2>&1 ||
			{ fail "$sanitizer, $where: $?"; head -n 20 "$scratch/out"; }
	done
done
finish
