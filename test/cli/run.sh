#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow run runs a program on fallow with the options asked for, keeps what the environment has already, ends with the
# program's status, and refuses before the program starts what the library would not take.

. "$top_srcdir/test/lib/test.sh"
scratch
fallow=$top_builddir/fallow
[ -f "$top_builddir/.libs/libfallow-malloc.so" ] || skip "built without shared libraries"

# run STATUS ARGUMENT...: fallow run ends with it; its output is in $scratch/out and err.
run() {
	wanted=$1
	shift
	"$fallow" run "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
	status=$?
	[ $status -eq "$wanted" ] || fail "fallow run $* ended with $status instead of $wanted: $(cat "$scratch/err")"
}

# out TEXT, err TEXT: what was written is this, or has this in it.
out() { [ "$(cat "$scratch/out")" = "$1" ] || fail "stdout is '$(cat "$scratch/out")' instead of '$1'"; }
err() { grep -q -- "$1" "$scratch/err" || fail "stderr does not say '$1' but: $(cat "$scratch/err")"; }

run 0 -- sh -c 'grep -c libfallow-malloc /proc/self/maps >/dev/null && echo on fallow'
out "on fallow"
[ ! -s "$scratch/err" ] || fail "it says something without being asked: $(cat "$scratch/err")"

# The options reach the library, by either way of writing them.
run 0 --spill=anon --limit 64M --decay=200ms sh -c 'echo "$FALLOW_CONF"'
out "spill:anon,limit:64M,decay:200ms"
run 0 --limit=32M -- python3 -c 'import sys
try:
    bytearray(64 << 20)
except MemoryError:
    print("refused")'
out refused
# Not of a program that closes stderr first, as coreutils do.
run 0 --stats=exit python3 -c pass
grep -q populated "$scratch/err" || fail "--stats=exit writes no statistics: $(cat "$scratch/err")"

# What is in the environment stays, and what is asked for overrules it.
FALLOW_CONF=spill:anon,decay:5s run 0 --decay=1s sh -c 'echo "$FALLOW_CONF"'
out "spill:anon,decay:5s,decay:1s"
before=$scratch/before.so
printf 'int before;\n' >"$scratch/before.c"
$CC -shared -fPIC -o "$before" "$scratch/before.c" || exit 99
LD_PRELOAD=$before run 0 sh -c 'echo "${LD_PRELOAD#*:}"; grep -c before.so /proc/self/maps >/dev/null && echo both'
out "$before
both"
run 0 -- "$fallow" run --limit=64M -- sh -c 'echo "$LD_PRELOAD" | tr : "\n" | grep -c libfallow-malloc'
out 1

# Only --verbose says what is set. Nothing of the command's own is left in the program's environment.
run 0 --verbose --limit=64M true
err "LD_PRELOAD=/.*/libfallow-malloc.so.*FALLOW_CONF=limit:64M"
# Past libtool's wrapper, which has an environment of its own.
export LD_LIBRARY_PATH="$top_builddir/.libs"
env | sort >"$scratch/env"
set_by_us=$("$top_builddir/.libs/fallow" run env | grep -vxFf "$scratch/env" | grep -v '^_=' | sed 's/=.*//' | paste -sd' ')
unset LD_LIBRARY_PATH
[ "$set_by_us" = LD_PRELOAD ] || fail "without options it sets: $set_by_us"

# Arguments of the program are the program's.
run 0 -- echo --limit=12X --help
out "--limit=12X --help"
run 0 echo --limit=12X -- x
out "--limit=12X -- x"
run 7 sh -c 'exit 7'
run 127 "$scratch/nonexistent"
err "$scratch/nonexistent: No such file"
run 126 "$top_srcdir/README.md"
err Permission

# What is refused is named with what is allowed, and the program does not start.
for bad in --limit=12X --backing=banana --decay=-1 --spill= --pagesize=3M --thp=always,stats:exit \
	--limit=99999999999999999999; do
	run 125 "$bad" touch "$scratch/started"
	err "bad value '${bad#*=}'; allowed: "
	err "$(echo "$bad" | sed 's/=.*//')"
done
run 125 --nonsense touch "$scratch/started"
err "'--nonsense'"
run 125
err "no program"
run 125 --limit
err "--limit"
[ ! -e "$scratch/started" ] || fail "the program was started all the same"
finish
