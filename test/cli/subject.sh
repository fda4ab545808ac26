# SPDX-License-Identifier: BSD-2-Clause
# subject.sh: programs on fallow to be looked at; they end with the test.

# begin COMMAND...: start it in the background with an input that stays open; wait until it says ready. $subject is its
# number, $scratch/said what it said.
begin() {
	exec 8<&- 7>&-
	rm -f "$scratch/open"
	mkfifo "$scratch/open"
	: >"$scratch/said"
	"$@" <"$scratch/open" >"$scratch/said" 2>&1 &
	subject=$!
	exec 7>"$scratch/open"
	tries=0
	until grep -q ready "$scratch/said"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { echo "FAIL: '$*' does not begin: $(cat "$scratch/said")"; exit 1; }
		sleep 0.05
	done
}

# end: let it go, and wait for it.
end() {
	exec 7>&-
	wait "$subject"
}

# Past libtool's wrapper, whose shell would be looked at instead.
still() { begin env LD_LIBRARY_PATH="$top_builddir/.libs" "$(real test/cli/subject)" still; }
small() { begin env LD_LIBRARY_PATH="$top_builddir/.libs" "$(real test/cli/subject)" small; }
churn() { begin env LD_LIBRARY_PATH="$top_builddir/.libs" "$(real test/cli/subject)" churn; }

# real PROGRAM: where libtool keeps it.
real() {
	libtools=$top_builddir/$(dirname "$1")/.libs/$(basename "$1")
	if [ -x "$libtools" ]; then echo "$libtools"; else echo "$top_builddir/$1"; fi
}
