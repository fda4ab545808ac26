#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# gdb says of a live process and of its core dump what arenas and regions there are, what was refused, and to which object
# an address belongs.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/subject.sh"
command -v gdb >/dev/null || skip "no gdb"
command -v gcore >/dev/null || skip "no gcore"
scratch

# ask GDB-ARGUMENT... -- COMMAND...: what gdb answers to these is in $scratch/out.
ask() {
	arguments=
	while [ "$1" != -- ]; do
		arguments="$arguments $1"
		shift
	done
	shift
	{
		echo "set debuginfod enabled off"
		echo "source $top_srcdir/src/gdb/fallow-gdb.py"
		printf '%s\n' "$@"
	} >"$scratch/commands"
	# Unquoted on purpose: several words.
	gdb -nx -batch $arguments -x "$scratch/commands" >"$scratch/out" 2>&1 7>&-
}
out() { grep -q -- "$1" "$scratch/out" || fail "$what: gdb does not say '$1' but: $(cat "$scratch/out")"; }
place() { sed -n "s/.* $1=\(0x[0-9a-f]*\).*/\1/p" "$scratch/said"; }

# known GDB-ARGUMENT...: what is known of the subject is what gdb says.
known() {
	ask "$@" -- "fallow regions" "fallow arenas" "fallow failures" "fallow address $(place live) + 7" \
		"fallow address $(place free)" "fallow address $(place large) + 2000000" "fallow address $(place idle)" \
		"fallow address 64" "fallow address $(place large) - 0x8000 * 1000000"
	out "^0x[0-9a-f]* *still <life> *[0-9.]*M *3\.[0-9]*M *4\.[0-9]*M *8M$"
	out "^arena 2 *[1-9][0-9]* *1 *3M *1  still <life>$"
	out "^1: after [0-9.]* s, 100M: arena limit$"
	out "^$(place live | sed 's/.$//').: region \"still <life>\": slab 0x[0-9a-f]* of slots of 208 bytes, arena 2: slot $(place live), live; 7 bytes into it$"
	out "^$(place free): .*, arena 2: slot $(place free), free; 0 bytes into it$"
	out ": large block $(place large) of 3145728 bytes, arena 2, live; 2000000 bytes into it$"
	out "^$(place idle): region \"still <life>\": free: part of no object$"
	out "^0x40: not in a region of fallow$"
}

small
what="a live process"
known -p $subject
grep -q '^TracerPid:	0$' /proc/$subject/status || fail "gdb has not let go"
gcore -o "$scratch/core" $subject >"$scratch/log" 2>&1 7>&- || fail "no core: $(cat "$scratch/log")"
what="a core dump"
known "$(real test/cli/subject)" "$scratch/core.$subject"
end

what="a program that is not on fallow"
sleep 60 7>&- &
ask -p $! -- "fallow arenas"
out "this program is not on fallow"
kill $!
finish
