# SPDX-License-Identifier: BSD-2-Clause
# test.sh: verdicts for script tests.

# The machine lacks something: say what.
skip() {
	echo "skipped: $*"
	exit 77
}

# Something is wrong: say what, go on, and let finish() end the test.
failures=0
fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

finish() {
	[ "$failures" -eq 0 ] || exit 1
	exit 0
}

# A directory of this test's own, removed when it ends.
scratch() {
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/fallow-test.XXXXXX") || exit 99
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
}
