#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bootstrap refuses what it does not know with status 2, names it and says what there is, before it changes anything.

. "$top_srcdir/test/lib/test.sh"
scratch

# refused ARGUMENT...: bootstrap does so for these.
refused() {
	"$top_srcdir/bootstrap" "$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	[ $status -eq 2 ] || fail "bootstrap $* ended with $status"
	[ ! -s "$scratch/out" ] || fail "bootstrap $* wrote to stdout"
	for word in "$1" demo check programs; do
		grep -q -- "$word" "$scratch/err" || fail "bootstrap $* does not mention $word"
	done
}

refused nonsense
refused --enable-werror
refused check demo
finish
