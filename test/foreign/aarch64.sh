#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Built for aarch64, without a warning, the tests of the internals pass under emulation, with pages of 4, 16 and 64 KiB.

. "$top_srcdir/test/lib/test.sh"
for program in aarch64-linux-gnu-gcc qemu-aarch64-static; do
	command -v $program >/dev/null || skip "no $program"
done
scratch
. "$top_srcdir/test/foreign/foreign.sh"

# QEMU's user emulation (7.2) answers 0 to every madvise(2), and does nothing but MADV_DONTNEED: pages are not brought in,
# holes not punched, children not told of by a wiped page. What is about that cannot be seen there.
not_emulated="
	test/unit/backings-bring-in-and-give-back
	test/unit/closed-units-open-as-they-were
	test/unit/eager-slabs-come-in-by-granules
	test/unit/extents-agree-with-a-model
	test/unit/extents-decay
	test/unit/files-with-contents-are-not-zero
	test/unit/fork-while-threads-allocate
	test/unit/huge-pages-are-known-for-what-they-are
	test/unit/requests-wait-for-purges"

cmocka aarch64-linux-gnu-gcc
tests=$UNIT_TESTS
build --host=aarch64-linux-gnu CC=aarch64-linux-gnu-gcc CXX=false --disable-shared CPPFLAGS="-I$scratch/cmocka"
nrun=0
for test in $tests; do
	case $not_emulated in *"$test"*) continue ;; esac
	for page in 4096 16384 65536; do
		(cd "$scratch/build" && timeout 200 qemu-aarch64-static -p $page -L /usr/aarch64-linux-gnu "$test") >"$scratch/out" 2>&1
		status=$?
		case $status in
		0) nrun=$((nrun + 1)) ;;
		77) echo "$test, $page: $(grep -m 1 skipped "$scratch/out")" ;;
		*) cat "$scratch/out"; fail "$test ends with $status on pages of $page bytes" ;;
		esac
	done
done
echo "$nrun runs"
[ $nrun -gt 0 ] || fail "nothing was run"
finish
