#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow doctor tells from real situations why there are no huge pages: an empty pool, no permission, transparent huge
# pages switched off, a cgroup's limit. Each is a problem there, with what to change, and none where all is well.

. "$top_srcdir/test/lib/test.sh"
[ "$(id -u)" -eq 0 ] || skip "such situations take root"
. "$top_srcdir/test/lib/machine.sh"
scratch
fallow=$top_builddir/fallow
pool=/sys/kernel/mm/hugepages/hugepages-2048kB
thp=/sys/kernel/mm/transparent_hugepage/enabled
[ -w $pool/nr_hugepages ] || skip "no pool of 2M pages"

# doctor COMMAND...: what the command, a fallow doctor, says is in $scratch/out, its status in $status.
doctor() {
	"$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	[ ! -s "$scratch/err" ] || fail "$situation: stderr has: $(cat "$scratch/err")"
}

# problem SUBJECT TEXT CHANGE: it is one, in these words.
problem() {
	[ $status -eq 1 ] || fail "$situation: status $status"
	grep -A1 "^problem  *$1 .*$2" "$scratch/out" | grep -q "to change it: .*$3" ||
		fail "$situation: no problem of $1 that says '$2' and to change '$3', but:
$(cat "$scratch/out")"
}

# well: no problem at all.
well() {
	[ $status -eq 0 ] || fail "$situation: status $status"
	! grep '^problem' "$scratch/out" || fail "$situation: there is a problem"
}

# all_pages N: a pool of as many free pages, and none on demand.
all_pages() {
	machine_set $pool/nr_overcommit_hugepages 0 && machine_set $pool/nr_hugepages "$1" || exit 99
	[ "$(cat $pool/free_hugepages)" -eq "$1" ] || skip "the machine does not give $1 pages, or others use them"
}

situation="a pool of four pages"
all_pages 4
doctor "$fallow" doctor pools hugetlb-cgroup
well
grep -q '^ok .*pools.trial ' "$scratch/out" || fail "no page of four can be had"

situation="a mount that is another's"
mount_point=/run/lock/fallow-test-hugetlbfs
machine_mount $mount_point -t hugetlbfs -o pagesize=2M,mode=0755 fallow-test || exit 99
doctor "$fallow" doctor mounts
well
ordinary="setpriv --reuid=65534 --regid=65534 --clear-groups"
if $ordinary test -x "$top_builddir/.libs/fallow"; then
	# Unquoted on purpose: a command.
	doctor $ordinary "$fallow" doctor mounts
	problem mounts.hugetlbfs "$mount_point: no permission for user 65534" "chown"
	chmod 1777 $mount_point
	doctor $ordinary "$fallow" doctor mounts
	well
fi

situation="an empty pool"
echo 0 >$pool/nr_hugepages
doctor "$fallow" doctor pools
problem pools.free "2M: the pool is empty" "fallow pool resize --size=2M 64"
problem pools.trial "huge-page pool empty" "pools.free"
if $ordinary test -x "$top_builddir/.libs/fallow"; then
	doctor $ordinary "$fallow" doctor pools
	problem pools.free "2M: the pool is empty" "as root: fallow pool resize"
fi

situation="pages on demand only"
echo 4 >$pool/nr_overcommit_hugepages
doctor "$fallow" doctor pools
well
grep -q '^note .*pools.free .*at most 4' "$scratch/out" || fail "pages on demand are not noted"
echo 0 >$pool/nr_overcommit_hugepages

situation="transparent huge pages switched off"
# Read back, the file has all choices; writing takes one.
before=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)
printf 'set %s %s\n' $thp "$before" >>"$machine_state"
echo never >$thp
doctor "$fallow" doctor thp
echo madvise >$thp
problem thp.enabled "never" "echo madvise"
problem thp.trial "small ones" "thp"
doctor "$fallow" doctor thp
well
echo "$before" >$thp

situation="transparent huge pages switched off for the process"
cat >"$scratch/without-thp.py" <<'END'
import ctypes, os, sys
PR_SET_THP_DISABLE = 41
assert ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
END
doctor python3 "$scratch/without-thp.py" "$fallow" doctor thp
problem thp.process "switched off for this process" "MemoryTHP"

situation="a hugetlb cgroup that allows none"
unified=$(sed -n 's/^[^ ]* \([^ ]*\) cgroup2 .*/\1/p' /proc/self/mounts | head -n 1)
if grep -qw hugetlb "$unified/cgroup.controllers" 2>/dev/null; then
	echo 4 >$pool/nr_hugepages
	grep -qw hugetlb "$unified/cgroup.subtree_control" ||
		printf 'set %s %s\n' "$unified/cgroup.subtree_control" -hugetlb >>"$machine_state"
	echo +hugetlb >"$unified/cgroup.subtree_control" && machine_mkdir "$unified/fallow-doctor" || exit 99
	echo 0 >"$unified/fallow-doctor/hugetlb.2MB.max"
	doctor sh -c 'echo 0 >"$1/fallow-doctor/cgroup.procs" && shift && exec "$@"' - "$unified" \
		"$fallow" doctor pools hugetlb-cgroup
	problem hugetlb-cgroup.limit "fallow-doctor: 0 of pages of 2M allowed" "hugetlb.2MB.max"
	problem pools.trial "hugetlb cgroup" "hugetlb-cgroup.limit"
else
	echo "not seen: a hugetlb cgroup, as there is no such controller"
fi

# json VERDICT SUBJECT: a whole report as JSON has this finding; nothing of it is lost against the text.
json() {
	"$fallow" doctor --json >"$scratch/json"
	[ "$(python3 -c 'import json, sys
report = json.load(open(sys.argv[1]))
found = [f for f in report["findings"] if f["verdict"] == sys.argv[2] and f["subject"] == sys.argv[3]]
print(report["verdict"], all(f["text"] for f in found), any("change" in f for f in found))' "$scratch/json" "$1" "$2")" \
		= "problem True True" ] ||
		fail "no $1 of $2 in: $(cat "$scratch/json")"
}
situation="JSON"
echo 0 >$pool/nr_hugepages
json problem pools.free
"$fallow" doctor >"$scratch/out"
[ "$(grep -c '"subject"' "$scratch/json")" -eq "$(grep -c '^ok \|^note \|^problem ' "$scratch/out")" ] ||
	fail "text and JSON have different findings"
finish
