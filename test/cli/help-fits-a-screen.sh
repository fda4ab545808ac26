#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The --help of every command fits a screen of 80 columns and 24 lines, one of them for the prompt, ends with status 0, and
# names what the next word may be.

. "$top_srcdir/test/lib/test.sh"
scratch
fallow=$top_builddir/fallow

# commands_of COMMAND...: those that its help lists.
commands_of() {
	"$fallow" "$@" --help | sed -n '/^Commands, /,$s/^  \([a-z]*\)  .*/\1/p'
}

# fits COMMAND...: its help does, and that of the commands below it.
fits() {
	COLUMNS=300 "$fallow" "$@" --help >"$scratch/help" 2>"$scratch/err" || fail "fallow $* --help ended with $?"
	[ ! -s "$scratch/err" ] || fail "fallow $* --help writes to stderr"
	lines=$(wc -l <"$scratch/help") columns=$(wc -L <"$scratch/help")
	[ "$lines" -gt 2 ] && [ "$lines" -le 23 ] || fail "fallow $* --help has $lines lines"
	[ "$columns" -le 80 ] || fail "fallow $* --help has $columns columns"
	for below in $(commands_of "$@"); do
		fits "$@" "$below"
	done
}

fits
for expected in run doctor stat map record report pool; do
	commands_of | grep -qx $expected || fail "fallow --help does not list $expected"
done
for expected in show resize mount umount; do
	commands_of pool | grep -qx $expected || fail "fallow pool --help does not list $expected"
done

# The checks that doctor's help names are those that there are.
checks=$("$fallow" doctor --help | tr '\n' ' ' | sed 's/.*named, of //; s/; else.*//; s/,//g')
for check in $checks; do
	"$fallow" doctor "$check" >"$scratch/out" 2>&1
	[ $? -le 1 ] || fail "fallow doctor $check: $(cat "$scratch/out")"
done
named=$(echo "$checks" | wc -w) there_are=$(grep -c '^	{ "[a-z-]*", fl_doctor_' "$top_srcdir/src/cli/doctor.c")
[ "$named" -eq "$there_are" ] || fail "doctor's help names $named checks of $there_are"

# refused WORD ARGUMENT...: bad arguments end with 2 and are named.
refused() {
	word=$1
	shift
	"$fallow" "$@" >"$scratch/out" 2>"$scratch/err" && fail "fallow $* is taken"
	status=$?
	[ $status -ne 1 ] || fail "fallow $*: status 1 is for refusals of the kernel"
	grep -q -- "$word" "$scratch/err" || fail "fallow $* does not name $word: $(cat "$scratch/err")"
	[ ! -s "$scratch/out" ] || fail "fallow $* writes to stdout"
}
refused "'nonsense'; there are: run, doctor, stat, map, record, report, pool" nonsense
refused "there are: run, doctor, stat, map, record, report, pool"
refused "'nonsense'; there are: show, resize, mount, umount" pool nonsense
refused "'nonsense'; there are: kernel, thp, " doctor nonsense
refused "'x'" pool show x
finish
