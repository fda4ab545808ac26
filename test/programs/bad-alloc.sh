#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that a C++ program that catches std::bad_alloc does so under the preload where it does without, with its address
# space or its data limited, having got most of what the limit allows.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
${CXX:-g++} -O2 -o "$scratch/bad-alloc" "$top_srcdir/test/programs/bad-alloc.cc" || hard_error "cannot compile"
prove_preloaded bash -c "ulimit -v 262144; '$scratch/bad-alloc'" || exit 1

# Nodes, strings and 100,000 bytes are rounded up by allocators, so "most" is 70 %.
failed=0
cat >"$scratch/limited" <<'END'
ulimit "$1" "$2" || exit 99
exec "$3" $(($2 / 1024 * 7 / 10)) 2>/dev/null
END
for limit in -v -d; do
    same bash "$scratch/limited" $limit $((512 * 1024)) "$scratch/bad-alloc" || failed=1
    grep -q 'too little\|no bad_alloc' "$scratch/preload/out" && { echo "FAIL: ulimit $limit"; cat "$scratch/preload/out"; failed=1; }
done
exit $failed
