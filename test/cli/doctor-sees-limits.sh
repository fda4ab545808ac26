#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow doctor sees the limits that a program really has: the memory cgroup's, resource limits, commit limit, map count, and what
# its user may not.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/subject.sh"
scratch
fallow=$top_builddir/fallow
place=$top_builddir/test/lib/with-machine

# says LINE COMMAND...: a line of what fallow doctor says, run by the command, is like this.
says() {
	line=$1
	shift
	"$@" >"$scratch/out" 2>"$scratch/err"
	[ $? -ne 77 ] || { echo "not seen: $*: $(cat "$scratch/out")"; return; }
	grep -q "$line" "$scratch/out" || fail "$*: nothing like '$line' in:
$(cat "$scratch/out" "$scratch/err")"
}

says '^ok .* RLIMIT_AS: no limit' "$fallow" doctor limits
says '^note .* RLIMIT_AS: 1G' sh -c 'ulimit -v 1048576; exec "$0" doctor limits' "$fallow"
says '^note .* RLIMIT_DATA: 512M' sh -c 'ulimit -d 524288; exec "$0" doctor limits' "$fallow"
says '^note .* RLIMIT_MEMLOCK: 64K' sh -c 'ulimit -l 64; exec "$0" doctor limits' "$fallow"
if [ "$(id -u)" -eq 0 ]; then
	says '^note .*memory-cgroup.limit .*memory.limit_in_bytes: 64M; .* room for' \
		"$place" memory_cgroup=64M "$fallow" doctor memory-cgroup
	says '^note .*limits.map-count .* 20000 ' "$place" map_count=20000 "$fallow" doctor limits
	says '^ok .*kernel.snapshots' "$fallow" doctor kernel
	if [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ] &&
		setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$(real fallow)" -a ! -r /dev/userfaultfd; then
		says '^note .*kernel.snapshots .*may not take snapshots' setpriv --reuid=65534 --regid=65534 --clear-groups \
			env LD_LIBRARY_PATH="$top_builddir/.libs" "$(real fallow)" doctor kernel
	fi
	says 'limits.overcommit .*vm.overcommit_memory is 2: ' "$place" commit=64M "$fallow" doctor limits
fi
finish
