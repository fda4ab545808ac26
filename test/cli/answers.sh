# SPDX-License-Identifier: BSD-2-Clause
# answers.sh: what fallow ends with and what it writes. Source it after test.sh; it takes $scratch.

fallow=$top_builddir/fallow

# answer STATUS ARGUMENT...: fallow with these ends with it; what it writes is in $scratch/out and $scratch/err.
answer() {
	wanted=$1
	shift
	"$fallow" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	status=$?
	[ $status -eq "$wanted" ] || fail "fallow $* ended with $status instead of $wanted: $(cat "$scratch/err")"
}

# out PATTERN, err PATTERN: there is a line like this in it.
out() { grep -q -- "$1" "$scratch/out" || fail "stdout has no '$1' but: $(cat "$scratch/out")"; }
err() { grep -q -- "$1" "$scratch/err" || fail "stderr has no '$1' but: $(cat "$scratch/err")"; }
