#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow pool shows, resizes and mounts real pools, says how many pages came instead of what was asked for, and why the
# kernel refused.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
[ "$(id -u)" -eq 0 ] || skip "changing pools takes root"
. "$top_srcdir/test/lib/machine.sh"
scratch
pool=/sys/kernel/mm/hugepages/hugepages-2048kB
node=/sys/devices/system/node/node0/hugepages/hugepages-2048kB
[ -w $pool/nr_hugepages ] || skip "no pool of 2M pages"
machine_set $pool/nr_overcommit_hugepages 0 && machine_set $pool/nr_hugepages 0 || exit 99
[ "$(cat $pool/nr_hugepages)" -eq 0 ] || skip "others use huge pages"

has() { [ "$(cat $pool/nr_hugepages)" -eq "$1" ] || fail "the pool has $(cat $pool/nr_hugepages) pages, not $1"; }

answer 0 pool resize --size=2M 3
has 3
out "3 pages of 2M, 0 before"
answer 0 pool show
out "^2M  *all  *3  *3  *0  *0  *0$"
if [ -w $node/nr_hugepages ]; then
	answer 0 pool resize --size=2M --node=0 5
	[ "$(cat $node/nr_hugepages)" -eq 5 ] || fail "node 0 has $(cat $node/nr_hugepages) pages, not 5"
	answer 0 pool show
	out "^2M  *0  *5  *5 "
fi

# More pages than there is memory are not even tried; more than is free come as far as they come.
before=$(cat $pool/nr_hugepages)
answer 1 pool resize --size=2M 99999999
err "99999999 pages are more than the machine has"
has "$before"
answer 0 pool resize --size=2M 4

# Bad values are named with what is allowed.
for bad in "--size=3M 4" "--size=banana 4" "--node=4711 4" "banana" "-- -4" "4 5" "99999999999999999999" ""; do
	# Unquoted on purpose: several words.
	answer 2 pool resize $bad
	has 4
done
answer 2 pool resize --size=3M 4
err "'3M'; there are: 2M"
answer 2 pool resize --node=4711 4
err "'4711'"

# Mounts: a file there takes a page of the pool, and no more than the limit; who owns it and who may write.
directory=$scratch/mnt
printf 'unmount %s\n' "$directory" >>"$machine_state"
answer 0 pool mount --size=2M --limit=4M --owner=65534 --mode=0770 "$directory"
[ "$(stat -f -c %T "$directory")" = hugetlbfs ] || fail "no hugetlbfs on $directory"
[ "$(stat -c '%u %a' "$directory")" = "65534 770" ] || fail "owner and mode are $(stat -c '%u %a' "$directory")"
fallocate -l 4M "$directory/file" || fail "two pages do not fit"
fallocate -l 6M "$directory/file" 2>/dev/null && fail "three pages fit below a limit of 4M"
answer 0 pool show
out "^2M  *4M  *0  *write  *$directory$"

# Pages in use stay when the pool shrinks, and that is said.
answer 1 pool resize --size=2M 0
err "2 pages of 2M instead of 0; 4 before"
err "2 are in use"
answer 1 pool umount "$scratch"
err "no hugetlbfs is mounted on $scratch"
exec 9<"$directory/file"
answer 1 pool umount "$directory"
err "busy.*fuser"
exec 9<&-
answer 0 pool umount "$directory"
[ "$(stat -f -c %T "$directory")" != hugetlbfs ] || fail "the mount is still there"
answer 0 pool resize --size=2M 0
has 0

# What the kernel refuses is explained, and leaves nothing behind.
answer 2 pool mount --limit=3M "$directory/x"
err "multiple of the page size"
answer 2 pool mount --mode=9 "$directory/x"
err "'9'"
answer 2 pool mount --owner=no-such-user "$directory/x"
err "'no-such-user'"
touch "$scratch/file"
answer 1 pool mount "$scratch/file"
err "takes a directory"
ordinary="setpriv --reuid=65534 --regid=65534 --clear-groups"
if $ordinary test -x "$top_builddir/.libs/fallow"; then
	chmod 755 "$scratch"
	mkdir -m 777 "$scratch/open"
	$ordinary "$fallow" pool resize --size=2M 4 2>"$scratch/err" && fail "an ordinary user may resize a pool"
	err "only root may change a pool"
	$ordinary "$fallow" pool mount --size=2M "$scratch/open/mnt" 2>"$scratch/err" && fail "an ordinary user may mount"
	err "takes root"
	[ ! -e "$scratch/open/mnt" ] || fail "a refused mount leaves its directory"
fi
unshare --user --map-root-user --mount "$fallow" pool mount --size=2M "$scratch/mnt" 2>"$scratch/err" &&
	fail "a hugetlbfs can be mounted in a user namespace"
err "outside of user namespaces"
finish
