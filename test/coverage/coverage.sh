#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Line coverage of src/ by the suite: a second build in again/coverage that counts, its tests, and a table of what they ran.
# Fails below COVERAGE_LEAST percent (92). What is left is justified in doc/coverage.md.

. "$top_srcdir/test/lib/test.sh"
command -v gcovr >/dev/null || skip "gcovr is not installed"
gcov=gcov-$($CC -dumpversion) && command -v "$gcov" >/dev/null || skip "no gcov that goes with $CC"

source=$top_srcdir
build=$top_builddir/again/coverage
unset MAKEFLAGS MFLAGS MAKELEVEL top_srcdir top_builddir
mkdir -p "$build" && cd "$build" || exit 99
# Threads count together, and -O1 keeps lines apart.
counting="-O1 -g --coverage -fprofile-update=atomic"
[ -e Makefile ] || "$source/configure" -q CC="$CC" CXX="$CXX" CXXFLAGS="$counting" LDFLAGS=--coverage \
	CFLAGS="$counting -include $source/test/coverage/dump.h" || { tail -n 40 config.log; exit 1; }
make -s check-build || { fail "the build that counts"; finish; }
find . -name '*.gcda' -exec rm -f {} +
# A test that fails has run its lines all the same; that it passes is shown elsewhere.
make -s -k check-covered >check.log 2>&1
grep '^# [A-Z]*:' check-covered.log
gcovr -r "$source" --object-directory . --gcov-executable "$gcov" --gcov-ignore-parse-errors --exclude-throw-branches \
	-f "$source/src/" -f "$source/include/" --fail-under-line "${COVERAGE_LEAST:-92}" --print-summary \
	--txt coverage.txt --html-details coverage.html || fail "line coverage is below ${COVERAGE_LEAST:-92} %"
cat coverage.txt
finish
