#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Under valgrind blocks of arenas and of the heap are seen as those of malloc are: memcheck tells of overruns, of what is used
# after it was freed, of what was never written and of what leaks, DRD and helgrind of races in them, and nobody of
# anything else: not of fallow's own locks, lists and counters.

. "$top_srcdir/test/lib/test.sh"
command -v valgrind >/dev/null || skip "valgrind is not installed"
echo '#include <valgrind/memcheck.h>' | $CC -E - >/dev/null 2>&1 || skip "fallow was built without valgrind's headers"
cd "$top_builddir" || exit 99
scratch

# judge TOOL ARGUMENT...: what the tool says of the program with these arguments; 9: it found something.
judge() {
	tool=$1
	shift
	./libtool --mode=execute valgrind -q --error-exitcode=9 --tool="$tool" $options test/clean/mistakes "$@" \
		>"$scratch/out" 2>&1
}

# told TEXT TOOL ARGUMENT...: it finds something, and says TEXT.
told() {
	text=$1
	shift
	judge "$@"
	status=$?
	if [ $status -ne 9 ] && [ $status -ne 134 ] || ! grep -q "$text" "$scratch/out"; then
		fail "$*: not told \"$text\", status $status"
		head -n 30 "$scratch/out"
	fi
}

clean() {
	judge "$@" || { fail "$*: told of something where there is nothing"; head -n 40 "$scratch/out"; }
}

options="--leak-check=full --errors-for-leak-kinds=all --show-leak-kinds=all"
for where in "arena 100" "arena 100000" "heap 100"; do
	size=$(echo "${where#* }" | sed 's/\(.*\)000$/\1,000/')
	# Unquoted on purpose: two arguments.
	clean memcheck $where none
	told "0 bytes after a block of size $size alloc'd" memcheck $where overrun
	told "1 bytes before a block of size $size alloc'd" memcheck $where underrun
	told "inside a block of size $size free'd" memcheck $where use-after-free
	told "inside a block of size $size free'd" memcheck $where use-after-move
	told "depends on uninitialised value" memcheck $where uninitialised
	told "$size bytes in 1 blocks are definitely lost" memcheck $where leak
	# A large block's end the library sees before.
	told "Invalid free()\|fallow: free of .*: double free" memcheck $where double-free
done
told "inside a block of size 100 free'd" memcheck arena 100 use-after-reset

# The other ways through the heap.
FALLOW_CONF=hardened:true
export FALLOW_CONF
clean memcheck heap 100 none
told "0 bytes after a block of size 100 alloc'd" memcheck heap 100 overrun
told "inside a block of size 100 free'd" memcheck heap 100 use-after-free
unset FALLOW_CONF

options=
for where in "arena 100" "heap 100"; do
	clean drd $where none
	clean helgrind $where none
	told "Conflicting store by thread" drd $where race
	told "Possible data race during" helgrind $where race
done

# Maps keep a state of their own under locks and atomic variables, which these two know only from the suppressions.
./libtool --mode=execute valgrind -q --error-exitcode=9 --tool=drd --suppressions="$top_srcdir/src/fallow.supp" \
	test/api/map-threads >"$scratch/out" 2>&1 || { fail "drd: maps in threads"; head -n 40 "$scratch/out"; }
finish
