#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that a program which was given privileges at exec reads no FALLOW_CONF: it could make a setuid program write
# where it must not. A set-user-ID program and one with file capabilities run as nobody, linked with copies of the library.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
[ "$(id -u)" = 0 ] || skip "only root can make a set-user-ID program"
need setpriv util-linux
need setcap libcap2-bin

chmod 755 "$scratch"
install -m 755 "$(realpath "$FALLOW_PRELOAD")" "$scratch/libfallow-malloc.so" || exit 99
soname=$(objdump -p "$FALLOW_PRELOAD" | sed -n 's/^ *SONAME *//p')
[ -z "$soname" ] || ln -s libfallow-malloc.so "$scratch/$soname" || exit 99
$CC -D_GNU_SOURCE -o "$scratch/plain" "$top_srcdir/test/preload/print-option.c" -Wl,--no-as-needed \
    -Wl,-rpath,"$scratch" "$scratch/libfallow-malloc.so" || hard_error "cannot link with the library"
cp "$scratch/plain" "$scratch/setuid" && chmod 4755 "$scratch/setuid"
cp "$scratch/plain" "$scratch/capable" && setcap cap_net_bind_service+ep "$scratch/capable" || skip "setcap is refused"

as_nobody() {
    bounded setpriv --reuid=65534 --regid=65534 --clear-groups env FALLOW_CONF=spill:anon,nonsense:1 "$@" spill \
        >"$scratch/out" 2>"$scratch/err" </dev/null
}

default_spill=$("$scratch/plain" spill | sed -n 's/^spill=//p')
[ -n "$default_spill" ] || fail "no option spill"
as_nobody "$scratch/plain" || fail "the plain program: exit status $?: $(cat "$scratch/err")"
grep -q '^AT_SECURE=0$' "$scratch/out" || fail "the plain program is privileged"
grep -q '^spill=anon$' "$scratch/out" || fail "the plain program ignores FALLOW_CONF"
grep -q '^fallow: .*nonsense' "$scratch/err" || fail "the plain program says nothing of a bad FALLOW_CONF"
for kind in setuid capable; do
    as_nobody "$scratch/$kind" || fail "$kind: exit status $?: $(cat "$scratch/err")"
    grep -q '^AT_SECURE=1$' "$scratch/out" || skip "$scratch grants no privileges (mounted nosuid?)"
    grep -q "^spill=$default_spill$" "$scratch/out" || fail "$kind takes its options from FALLOW_CONF"
    [ ! -s "$scratch/err" ] || fail "$kind reads FALLOW_CONF: $(cat "$scratch/err")"
done
