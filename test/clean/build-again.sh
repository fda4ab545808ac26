# SPDX-License-Identifier: BSD-2-Clause
# build-again.sh: a second build of the same source with other options, kept in again/NAME for the next time.

. "$top_srcdir/test/lib/test.sh"

# build_again NAME OPTIONS TARGET...: configure with the options, a list of words, and make the targets, the last of which is
# check-unit-api. It stays in the build's folder.
build_again() {
	source=$top_srcdir
	build=$top_builddir/again/$1
	options=$2
	shift 2
	[ ! -e "$source/config.status" ] || skip "built inside the source tree, which excludes a second build beside it"
	unset MAKEFLAGS MFLAGS MAKELEVEL top_srcdir top_builddir

	mkdir -p "$build" && cd "$build" || exit 99
	# Unquoted on purpose: a list of options.
	[ -e Makefile ] || "$source/configure" -q $options CC="$CC" CXX="$CXX" || { tail -n 40 config.log; exit 1; }
	rm -f test-suite.log
	make -s "$@" || { cat test-suite.log 2>/dev/null; fail "make $* with $options"; finish; }
	grep -q '^# PASS: *[1-9]' test-suite.log || fail "no unit or api test passed"
}

# sanitized NAME TARGET...: unit and api tests, and other targets before, with debug checks under that sanitizer, statically
# linked.
sanitized() {
	sanitizer=$1
	shift
	build_again "$sanitizer" "--enable-debug --disable-shared --enable-sanitizer=$sanitizer" "$@" check-unit-api
}
