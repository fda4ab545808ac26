# SPDX-License-Identifier: BSD-2-Clause
# sanitized.sh: build fallow with debug checks under the sanitizer named by $sanitizer and run its unit and api tests there. The
# build is kept in sanitized/ for the next time.

. "$top_srcdir/test/lib/test.sh"
source=$top_srcdir
build=$top_builddir/sanitized/$sanitizer
[ ! -e "$source/config.status" ] || skip "built inside the source tree, which excludes a second build beside it"
unset MAKEFLAGS MFLAGS MAKELEVEL top_srcdir top_builddir

mkdir -p "$build" && cd "$build" || exit 99
[ -e Makefile ] || "$source/configure" -q --enable-debug --enable-sanitizer="$sanitizer" --disable-shared \
	CC="$CC" CXX="$CXX" CFLAGS="-g -O1" CXXFLAGS="-g -O1" || { tail -n 40 config.log; exit 1; }
make -s check-unit-api || { cat test-suite.log; fail "unit and api tests under the $sanitizer sanitizer"; }
grep -q '^# PASS: *[1-9]' test-suite.log || fail "no unit or api test passed"
finish
