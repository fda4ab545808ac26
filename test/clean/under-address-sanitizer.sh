#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Unit and api tests run clean under the address sanitizer, and it tells of what is used after it was freed in an arena or in
# the heap.

. "$top_srcdir/test/clean/build-again.sh"
sanitized address test/clean/mistakes

# judge ARGUMENT...: what it says of a program that makes this mistake.
judge() {
	test/clean/mistakes "$@" >mistakes.out 2>&1
}

for where in "arena 16" "arena 100" "arena 100000" "heap 100"; do
	# Unquoted on purpose: two arguments.
	judge $where none || { fail "$where: told of something where there is nothing"; head -n 40 mistakes.out; }
	! judge $where use-after-free && grep -q "use-after-poison on address" mistakes.out ||
		fail "$where: not told of a use after free"
done
! judge arena 100 use-after-reset && grep -q "use-after-poison on address" mistakes.out ||
	fail "not told of a use after a reset"
finish
