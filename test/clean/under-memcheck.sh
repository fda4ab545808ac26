#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Unit tests, and some of maps, run clean under valgrind's memcheck: no invalid access, no use of undefined values, nothing leaked.

. "$top_srcdir/test/lib/test.sh"
command -v valgrind >/dev/null || skip "valgrind is not installed"
cd "$top_builddir" || exit 99
[ -n "$MEMCHECK_TESTS" ] || fail "no unit test to run"

for test in $MEMCHECK_TESTS; do
	./libtool --mode=execute valgrind -q --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite,indirect \
		"$test" </dev/null
	status=$?
	[ $status -eq 0 ] || [ $status -eq 77 ] || fail "$test under memcheck"
done
finish
