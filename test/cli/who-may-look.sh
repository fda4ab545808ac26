#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A process can be looked into by its own user and by root. Whoever may not is told who may, and why.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
. "$top_srcdir/test/cli/subject.sh"
[ "$(id -u)" -eq 0 ] || skip "being several users takes root"
scratch
setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$(real fallow)" || skip "others may not run what is built here"
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups env LD_LIBRARY_PATH=$top_builddir/.libs"

# looks WHO: stat and map work for them, a command before the command. refused WHO TEXT: they do not, and say so.
looks() {
	# Unquoted on purpose: several words.
	$1 "$(real fallow)" stat $subject >"$scratch/out" 2>"$scratch/err" || fail "$1 may not look: $(cat "$scratch/err")"
	out "still <life>"
	$1 "$(real fallow)" map $subject >"$scratch/out" 2>"$scratch/err" || fail "$1 may not draw: $(cat "$scratch/err")"
	out "still <life>.*in use"
}
refused() {
	for command in stat map; do
		$1 "$(real fallow)" $command $subject >"$scratch/out" 2>"$scratch/err"
		status=$?
		[ $status -eq 1 ] || fail "fallow $command of $1 ends with $status"
		[ ! -s "$scratch/out" ] || fail "fallow $command of $1 writes something"
		err "process $subject$2"
	done
}

begin $nobody "$(real test/cli/subject)" still
# Yama lets nobody look who is not a parent, unless it is told to.
scope=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
case $scope in
0) looks "$nobody" ;;
*) refused "$nobody" ": kernel.yama.ptrace_scope is $scope" ;;
esac
[ "$scope" -ge 3 ] || looks "env LD_LIBRARY_PATH=$top_builddir/.libs"
refused "setpriv --bounding-set=-sys_ptrace env LD_LIBRARY_PATH=$top_builddir/.libs" " takes CAP_SYS_PTRACE"
end

still
refused "$nobody" " is of user root (0): only that user and root may look into it"
end

# A program that has, or had, privileges is hidden from its own user.
begin $nobody "$(real test/cli/subject)" hidden
refused "$nobody" ": it has, or had, privileges"
end
finish
