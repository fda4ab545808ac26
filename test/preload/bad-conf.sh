#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that what is wrong in FALLOW_CONF is named on stderr, one line for each, that good settings beside it take effect,
# and that the program goes on: same output, same exit status.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
program=$scratch/print-option
$CC -D_GNU_SOURCE -o "$program" "$top_srcdir/test/preload/print-option.c" || hard_error "cannot compile"
prove_preloaded "$program" || exit 1

failed=0
note() { echo "FAIL: FALLOW_CONF='$conf': $*"; sed 's/^/     /' "$scratch/err"; failed=1; }

# expect CONF OPTIONS EXPECTED [WORDS...]: runs under CONF. EXPECTED is what OPTIONS must then be; each WORDS is one
# complaint, the words that its line must hold, and there may be no further line.
expect() {
    conf=$1
    local options=$2 expected=$3 line word count=$(($# - 3))
    shift 3
    # shellcheck disable=SC2086
    preloaded FALLOW_CONF="$conf" "$program" $options >"$scratch/out" 2>"$scratch/err" </dev/null || note "exit status $?"
    [ "$(sed 1d "$scratch/out" | paste -sd' ')" = "$expected" ] ||
        note "options are $(sed 1d "$scratch/out" | paste -sd' '), not $expected"
    [ "$(wc -l <"$scratch/err")" = $count ] || note "$(wc -l <"$scratch/err") lines on stderr, not $count"
    for line in "$@"; do
        for word in $line; do
            grep -- "^fallow: .*$word" "$scratch/err" >"$scratch/rest" || note "no line of fallow's names $word"
            cp "$scratch/rest" "$scratch/match"
        done
    done
}

default_decay=$(preloaded "$program" decay | sed -n 's/^decay=//p')
default_spill=$(preloaded "$program" spill | sed -n 's/^spill=//p')
[ -n "$default_decay" ] && [ -n "$default_spill" ] || fail "no options decay and spill"

# What is right makes no noise.
expect "" "decay" "decay=$default_decay"
expect "spill:anon" "spill" "spill=anon"
expect "populate:lazy,spill:anon" "populate spill" "populate=lazy spill=anon"
# Unknown keys and bad values are named, with what is allowed for the value.
expect "nonsense:1" "decay" "decay=$default_decay" "nonsense"
expect "spill:banana" "spill" "spill=$default_spill" "spill banana fail anon"
expect "decay:banana" "decay" "decay=$default_decay" "decay banana"
expect "limit:12X" "spill" "spill=$default_spill" "limit 12X"
expect "nonsense:1,spill:anon,other:2" "spill" "spill=anon" "nonsense" "other"
# Neither key nor value: named, not taken for something.
expect "spill" "spill" "spill=$default_spill" "spill"
expect "spill:" "spill" "spill=$default_spill" "spill"
# An empty setting is no setting.
expect "spill:anon," "spill" "spill=anon"
expect ",,spill:anon" "spill" "spill=anon"
# Numbers that overflow and texts without end are complaints too, not accidents.
expect "limit:99999999999999999999999" "spill" "spill=$default_spill" "limit"
long=$(printf '%5000s' | tr ' ' x)
for conf in "$long" "$long:1" "spill:$long" "$(printf '%2000s' | sed 's/ /a:b,/g')" $'\xff\xfe:\x80' ":::::" ":"; do
    preloaded FALLOW_CONF="$conf" "$program" spill >"$scratch/out" 2>"$scratch/err" </dev/null ||
        note "exit status $?"
    [ "$(sed 1d "$scratch/out")" = "spill=$default_spill" ] || note "$(cat "$scratch/out")"
    grep -qv '^fallow: ' "$scratch/err" && note "lines that do not begin with fallow:"
    [ -s "$scratch/err" ] || note "no complaint"
done
[ $failed = 0 ]
