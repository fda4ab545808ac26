#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# jemalloc's arenas live on maps and pools, under load and to the end of the memory.

[ "$(id -u)" -ne 0 ] || . "$top_srcdir/test/lib/machine.sh"
. "$top_srcdir/test/lib/test.sh"
scratch
pkg-config --exists jemalloc || skip "no libjemalloc-dev"

# Unquoted on purpose: these are lists of options.
$CC -g -O1 -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -I"$top_srcdir/include" $(pkg-config --cflags jemalloc) \
	-o "$scratch/jemalloc" "$top_srcdir/test/api/jemalloc.c" -L"$top_builddir/.libs" -lfallow \
	-Wl,-rpath,"$top_builddir/.libs" $(pkg-config --libs jemalloc) -pthread || exit 99
timeout 100 "$scratch/jemalloc" || fail "on ordinary memory and a memfd: $?"
[ "$(id -u)" -eq 0 ] || finish
# As many as the test takes its pools to have, and none to be had beyond.
machine_set /proc/sys/vm/nr_overcommit_hugepages 0 && machine_set /proc/sys/vm/nr_hugepages 16 &&
	[ "$(cat /proc/sys/vm/nr_hugepages)" -eq 16 ] || skip "no huge pages"
timeout 100 "$scratch/jemalloc" huge-pages || fail "on huge pages: $?"
finish
