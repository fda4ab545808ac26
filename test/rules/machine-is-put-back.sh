#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What a test changes on the machine is put back when the test ends, also when it and all its processes are killed.

. "$top_srcdir/test/lib/test.sh"
[ "$(id -u)" -eq 0 ] || skip "changing the machine takes root"
knob=/proc/sys/vm/nr_overcommit_hugepages
lock=/run/lock/fallow-machine.lock
scratch

cat >"$scratch/inner" <<'END'
#!/bin/sh
. "$top_srcdir/test/lib/machine.sh"
machine_set /proc/sys/vm/nr_overcommit_hugepages 7 && machine_mount "$1/mnt" -t tmpfs fallow-test &&
	cat /proc/sys/vm/nr_overcommit_hugepages &&
	touch "$1/changed"
[ -z "${2-}" ] || sleep "$2"
END
chmod +x "$scratch/inner"

# put_back HOW: once the lock is free again, everything is as it was.
put_back() {
	flock -w 60 "$lock" true || fail "the lock is still held after a test that $1"
	[ "$(cat $knob)" = "$before" ] || fail "a setting is left changed by a test that $1"
	[ ! -e "$scratch/mnt" ] || fail "a mount or its directory is left by a test that $1"
	[ -e "$scratch/changed" ] || fail "nothing was changed by a test that $1"
	rm -f "$scratch/changed"
}

before=$(flock -w 600 "$lock" cat $knob)
[ "$("$scratch/inner" "$scratch")" = 7 ] || fail "the setting did not take effect"
put_back "ended"

# As the time limit does it, without TERM first: the whole process group at once.
setsid "$scratch/inner" "$scratch" 60 >/dev/null &
group=$!
waited=0
until [ -e "$scratch/changed" ] || [ $waited -ge 600 ]; do
	sleep 0.1
	waited=$((waited + 1))
done
kill -KILL "-$group"
wait "$group" 2>/dev/null
status=$?
[ $status -eq 137 ] || fail "the test was to be killed and ended with $status"
put_back "was killed"

# So is swap, which is switched off.
swaps() { cut -d " " -f 1 /proc/swaps; }
before=$(flock -w 600 "$lock" cut -d " " -f 1 /proc/swaps)
setsid "$top_builddir/test/lib/with-machine" swap=16M sh -c 'touch "$0/changed"; exec sleep 60' "$scratch" >"$scratch/out" &
group=$!
waited=0
until [ -e "$scratch/changed" ] || [ $waited -ge 600 ] || ! kill -0 $group 2>/dev/null; do
	sleep 0.1
	waited=$((waited + 1))
done
[ ! -e "$scratch/changed" ] || [ "$(swaps)" != "$before" ] || fail "there is no swap"
kill -KILL "-$group"
wait "$group" 2>/dev/null
flock -w 60 "$lock" true || fail "the lock is still held after a test with swap that was killed"
[ "$(swaps)" = "$before" ] || fail "swap is left by a test that was killed"
[ -e "$scratch/changed" ] || cat "$scratch/out"
finish
