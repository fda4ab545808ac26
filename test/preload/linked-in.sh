#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that a program gets fallow's malloc by linking too: to the shared library, to the static one, and in a program
# that is static altogether.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
libraries=$(dirname "$(readlink -f "$top_builddir/libfallow-malloc.la")")/.libs
failed=0
link() { # link NAME OPTIONS...: builds the program in one way and runs it.
    local name=$1
    shift
    if $CC -D_GNU_SOURCE -fno-builtin -I"$top_srcdir/include" -I"$top_srcdir" -o "$scratch/$name" \
        "$top_srcdir/test/preload/linked-program.c" "$@" >"$scratch/log" 2>&1 &&
        bounded "$scratch/$name" >"$scratch/log" 2>&1; then
        echo "ok   $name"
    else
        echo "FAIL $name: exit status $?"
        cat "$scratch/log"
        failed=1
    fi
}
link shared -L"$libraries" -lfallow-malloc -Wl,-rpath,"$libraries" -pthread
link archive "$libraries/libfallow-malloc.a" -pthread
link static -static "$libraries/libfallow-malloc.a" -pthread
exit $failed
