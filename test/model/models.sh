#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The models of what threads do to each other hold in every order of their steps, and an error seeded into them is found.

. "$top_srcdir/test/lib/test.sh"
command -v spin >/dev/null || skip "spin is not installed"
scratch
cd "$scratch" || exit 99

# check MODEL [ERROR]: explore all of it, as it is or with the error defined. Prints how many errors there are.
check() {
	spin ${2:+-D$2} -a "$top_srcdir/test/model/$1.pml" >spin.out 2>&1 || { cat spin.out >&2; exit 99; }
	$CC -O1 -w -DSAFETY -DMEMLIM=1024 -o pan pan.c || exit 99
	./pan -m100000 >pan.out
	grep -q 'max search depth too small\|out of memory' pan.out && { cat pan.out >&2; exit 99; }
	sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.out
}

holds() {
	[ "$(check "$1")" = 0 ] || { fail "$1 does not hold"; cat pan.out; }
	sed -n "s/ states, stored.*/ states of $1/p" pan.out
}

finds() {
	[ "$(check "$1" "$2")" != 0 ] || fail "$1 holds with $2, too"
}

holds remote-frees
finds remote-frees LOSE_A_BATCH
finds remote-frees DO_NOT_SEND_ON
finds remote-frees ADOPT_WITHOUT_LOCK
holds leases
finds leases CHECK_THEN_SUBTRACT
finish
