#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The example of jemalloc on a pool, on a machine that has eight huge pages for it. It is built here: fallow needs no jemalloc.

[ "$(id -u)" -eq 0 ] || { echo "skipped: huge pages are root's to give"; exit 77; }
pkg-config --exists jemalloc || { echo "skipped: no libjemalloc-dev"; exit 77; }
. "$top_srcdir/test/lib/machine.sh"
. "$top_srcdir/test/lib/test.sh"
scratch

# Unquoted on purpose: lists of options.
$CC -std=gnu11 -Wall -Wextra -Werror -D_GNU_SOURCE -I"$top_srcdir/include" $(pkg-config --cflags jemalloc) -o "$scratch/jemalloc-arena" \
	"$top_srcdir/examples/jemalloc-arena.c" -L"$top_builddir/.libs" -lfallow -Wl,-rpath,"$top_builddir/.libs" \
	$(pkg-config --libs jemalloc) || exit 99
machine_set /proc/sys/vm/nr_hugepages 8 || skip "no huge pages"
timeout 60 "$scratch/jemalloc-arena"
