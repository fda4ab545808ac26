#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The tarball is complete: it builds out of tree from a read-only source, installs, uninstalls and cleans up. Its tests
# are left out here, as they are the ones running now; make distcheck by itself runs them too.

. "$top_srcdir/test/lib/test.sh"
[ -e "$top_srcdir/.git" ] || skip "a tarball is not packed again, only a checkout is"
scratch
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -C "$top_builddir" distcheck AM_DISTCHECK_CONFIGURE_FLAGS=--disable-tests >"$scratch/log" 2>&1 || {
	tail -n 60 "$scratch/log"
	fail "make distcheck"
}
finish
