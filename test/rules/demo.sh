#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The demo sees all that it claims, as root and, where it takes no privileges, as an ordinary user; and says so by its exit
# status, also when something is not as claimed.

. "$top_srcdir/test/lib/test.sh"
scratch
for program in python3 perl sqlite3 unshare; do
	command -v $program >/dev/null || skip "no $program"
done
make -s -C "$top_builddir" demo/measure demo/until-the-end test/lib/with-machine >"$scratch/log" 2>&1 ||
	{ cat "$scratch/log"; exit 99; }

# sees COMMAND...: the demo, run by the command, succeeds and leaves nothing out.
sees() {
	"$@" >"$scratch/out" 2>&1 || fail "the demo ended with $?: $*"
	cat "$scratch/out"
	! grep 'not shown' "$scratch/out" || fail "the demo leaves something out: $*"
}

sees "$top_srcdir/demo/demo.sh" $([ "$(id -u)" -eq 0 ] || echo programs tmpfs limit)
ordinary="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ "$(id -u)" -eq 0 ] && $ordinary test -x "$top_builddir/demo/until-the-end" -a -x "$top_srcdir/demo/demo.sh"; then
	# Unquoted on purpose: a command.
	sees $ordinary "$top_srcdir/demo/demo.sh" tmpfs limit
fi

# In a place without an end there is no SIGBUS to see, and the demo must not say otherwise.
"$top_builddir/demo/until-the-end" tmpfs "$scratch" >"$scratch/out" 2>&1 &&
	fail "the demo claims to have seen the end of a filesystem that has room"
finish
