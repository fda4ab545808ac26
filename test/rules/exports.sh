#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Both libraries export what they promise and nothing else, need only libc, and are laid out so that they can be
# preloaded, opened late and never closed.

. "$top_srcdir/test/lib/test.sh"
scratch
libs=$top_builddir/.libs
[ -f "$libs/libfallow.so" ] || skip "built without shared libraries"

# exported LIBRARY: name or name@@node of each symbol, but for the node's own.
exported() {
	nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" { print $3 }' | sort
}

# same WHAT: the lists wanted and found in the scratch directory agree.
same() {
	diff "$scratch/wanted" "$scratch/found" >"$scratch/diff" ||
		fail "$1 (< missing, > not promised):
$(grep '^[<>]' "$scratch/diff")"
}

# What the public headers declare, in the node of this interface.
cat "$top_srcdir"/include/fallow/*.h | tr '\n\t' '  ' | tr ';' '\n' |
	sed -n 's/.*FALLOW_API [^(]*\b\(fallow_[a-z0-9_]*\)(.*/\1@@FALLOW_0/p' | sort >"$scratch/declared"
[ -s "$scratch/declared" ] || fail "no FALLOW_API declaration found in include/fallow"

cp "$scratch/declared" "$scratch/wanted"
exported "$libs/libfallow.so" >"$scratch/found"
same "exports of libfallow.so"

exported "$libs/libfallow-malloc.so" >"$scratch/all"
grep '^fallow_' "$scratch/all" >"$scratch/found"
same "fallow_* exported by libfallow-malloc.so"

grep -v '^#' "$top_srcdir/src/libfallow-malloc.names" | grep . | sort >"$scratch/wanted"
grep -v '^fallow_' "$scratch/all" >"$scratch/found"
same "malloc family exported by libfallow-malloc.so, without a version"

# The loader keeps 512 bytes of static thread-local space for libraries with initial-exec that are opened late.
tls_bytes_max=512
for lib in libfallow.so libfallow-malloc.so; do
	dynamic=$(readelf -dW "$libs/$lib")
	needed=$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | tr '\n' ' ')
	[ "$needed" = "libc.so.6 " ] || fail "$lib needs: $needed"
	for flag in NODELETE NOW; do
		echo "$dynamic" | grep -q "(FLAGS_1).*\\b$flag\\b" || fail "$lib is linked without -z $(echo $flag | tr A-Z a-z)"
	done
	echo "$dynamic" | grep -q TEXTREL && fail "$lib has text relocations"
	tls=$(readelf -lW "$libs/$lib" | awk '$1 == "TLS" { print $6 }')
	[ "$((${tls:-0}))" -le "$tls_bytes_max" ] || fail "$lib has $((tls)) bytes of thread-local data, over $tls_bytes_max"
done
finish
