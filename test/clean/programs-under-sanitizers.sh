#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs that were built with the address, the leak or the thread sanitizer have arenas and the heap of an ordinary
# libfallow, which keeps out of the sanitizers' address space, and has leaks looked for in its blocks.

. "$top_srcdir/test/lib/test.sh"
scratch

for sanitizer in address leak thread; do
	# Unquoted on purpose: the compiler carries its own options.
	$CC -g -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=$sanitizer -I"$top_srcdir/include" -o "$scratch/$sanitizer" \
		"$top_srcdir/test/clean/mistakes.c" -L"$top_builddir/.libs" -lfallow -Wl,-rpath,"$top_builddir/.libs" -pthread ||
		exit 99
	for where in "arena 100" "arena 100000" "heap 100"; do
		# That a freed block goes to another thread in good order the thread sanitizer does not see. Unquoted: two arguments.
		TSAN_OPTIONS=report_bugs=0 timeout 60 "$scratch/$sanitizer" $where none >"$scratch/out" 2>&1 ||
			{ fail "$sanitizer, $where: $?"; head -n 20 "$scratch/out"; }
	done
	timeout 60 "$scratch/$sanitizer" arena 100 keep >"$scratch/out" 2>&1 || [ $sanitizer = thread ] ||
		{ fail "$sanitizer: what an arena's block points at counts as lost"; head -n 20 "$scratch/out"; }
done
finish
