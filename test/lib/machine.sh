# SPDX-License-Identifier: BSD-2-Clause
# machine.sh: source it at the top of a script that changes the machine. The script then runs with the machine lock held,
# and what it changes through these functions is put back when it ends, however it ends (machine.h says how). A script
# that only wants a program run in a place with limits calls with-machine instead.

if [ -z "${FALLOW_MACHINE_HELD-}" ]; then
	FALLOW_MACHINE_HELD=1
	export FALLOW_MACHINE_HELD
	exec "$top_builddir/test/lib/with-machine" "$0" "$@"
fi

machine_state=/run/lock/fallow-machine.state

# machine_set PATH VALUE: write into a file of /proc or /sys.
machine_set() {
	printf 'set %s %s\n' "$1" "$(head -n 1 "$1")" >>"$machine_state" && printf '%s\n' "$2" >"$1"
}

# machine_mkdir PATH: make a directory, a cgroup's too. It must be empty at the end.
machine_mkdir() {
	printf 'rmdir %s\n' "$1" >>"$machine_state" && mkdir "$1"
}

# machine_mount PATH ARGUMENT...: make the directory PATH and mount there; the arguments are mount's.
machine_mount() {
	machine_mkdir "$1" && printf 'unmount %s\n' "$1" >>"$machine_state" && mount_point=$1 && shift &&
		mount "$@" "$mount_point"
}
