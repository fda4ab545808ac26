#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow run runs a program on fallow with the options asked for, keeps what the environment has already, ends with the
# program's status, and refuses before the program starts what the library would not take.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
scratch
[ -f "$top_builddir/.libs/libfallow-malloc.so" ] || skip "built without shared libraries"

# says TEXT: what was written is this.
says() { [ "$(cat "$scratch/out")" = "$1" ] || fail "stdout is '$(cat "$scratch/out")' instead of '$1'"; }

answer 0 run -- sh -c 'grep -c libfallow-malloc /proc/self/maps >/dev/null && echo on fallow'
says "on fallow"
[ ! -s "$scratch/err" ] || fail "it says something without being asked: $(cat "$scratch/err")"

# The options reach the library, by either way of writing them.
answer 0 run --spill=anon --limit 64M --decay=200ms sh -c 'echo "$FALLOW_CONF"'
says "spill:anon,limit:64M,decay:200ms"
answer 0 run --limit=32M -- python3 -c 'import sys
try:
    bytearray(64 << 20)
except MemoryError:
    print("refused")'
says refused
# Not of a program that closes stderr first, as coreutils do.
answer 0 run --stats=exit python3 -c pass
grep -q populated "$scratch/err" || fail "--stats=exit writes no statistics: $(cat "$scratch/err")"

# What is in the environment stays, and what is asked for overrules it.
FALLOW_CONF=spill:anon,decay:5s answer 0 run --decay=1s sh -c 'echo "$FALLOW_CONF"'
says "spill:anon,decay:5s,decay:1s"
before=$scratch/before.so
printf 'int before;\n' >"$scratch/before.c"
$CC -shared -fPIC -o "$before" "$scratch/before.c" || exit 99
LD_PRELOAD=$before answer 0 run sh -c 'echo "${LD_PRELOAD#*:}"; grep -c before.so /proc/self/maps >/dev/null && echo both'
says "$before
both"
answer 0 run -- "$fallow" run --limit=64M -- sh -c 'echo "$LD_PRELOAD" | tr : "\n" | grep -c libfallow-malloc'
says 1

# Only --verbose says what is set. Nothing of the command's own is left in the program's environment.
answer 0 run --verbose --limit=64M true
err "LD_PRELOAD=/.*/libfallow-malloc.so.*FALLOW_CONF=limit:64M"
# Past libtool's wrapper, which has an environment of its own.
export LD_LIBRARY_PATH="$top_builddir/.libs"
env | sort >"$scratch/env"
set_by_us=$("$top_builddir/.libs/fallow" run env | grep -vxFf "$scratch/env" | grep -v '^_=' | sed 's/=.*//' | paste -sd' ')
unset LD_LIBRARY_PATH
[ "$set_by_us" = LD_PRELOAD ] || fail "without options it sets: $set_by_us"

# Arguments of the program are the program's.
answer 0 run -- echo --limit=12X --help
says "--limit=12X --help"
answer 0 run echo --limit=12X -- x
says "--limit=12X -- x"
answer 7 run sh -c 'exit 7'
answer 127 run "$scratch/nonexistent"
err "$scratch/nonexistent: No such file"
answer 126 run "$top_srcdir/README.md"
err Permission

# What is refused is named with what is allowed, and the program does not start.
for bad in --limit=12X --backing=banana --decay=-1 --spill= --pagesize=3M --thp=always,stats:exit \
	--limit=99999999999999999999; do
	answer 125 run "$bad" touch "$scratch/started"
	err "bad value '${bad#*=}'; allowed: "
	err "$(echo "$bad" | sed 's/=.*//')"
done
answer 125 run --nonsense touch "$scratch/started"
err "'--nonsense'"
answer 125 run
err "no program"
answer 125 run --limit
err "--limit"
[ ! -e "$scratch/started" ] || fail "the program was started all the same"
finish
