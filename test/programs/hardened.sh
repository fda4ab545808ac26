#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that programs do the same on a hardened heap: the tests of the malloc family, of threads, of fork and of loading late
# pass with hardened:true, and so do those with bash, git and perl. Arguments: other tests, instead of those.
set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
export FALLOW_CONF=hardened:true FALLOW_TEST_CONF=hardened:true
export top_srcdir top_builddir

[ $# -gt 0 ] || set -- "$top_builddir"/test/preload/{malloc-family,new-and-delete,exit-while-others-allocate} \
    "$top_builddir"/test/preload/{fork-handlers-allocate,fork-while-others-allocate,late-destructors-keep-nothing} \
    "$top_builddir"/test/preload/{last-thread-ends-the-process,loading-late,unloading} \
    "$top_srcdir"/test/programs/{bash,git,perl}.sh

failed=0
for test; do
    case $test in
    *.sh) timeout -k 20 400 bash "$test" ;;
    *) timeout -k 20 400 "$test" ;;
    esac
    status=$?
    [ $status = 0 ] || [ $status = 77 ] || { echo "FAIL: hardened: $test ends with $status"; failed=1; }
done
exit $failed
