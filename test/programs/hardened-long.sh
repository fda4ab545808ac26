#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves the same as hardened.sh with large programs, servers, and glibc's own malloc tests.
set -u
: "${top_srcdir:=.}"
exec bash "$top_srcdir/test/programs/hardened.sh" "$top_srcdir/test/glibc/glibc-malloc-tests.sh" \
    "$top_srcdir"/test/programs/{compilers,nginx,node,postgresql,python,redis,sqlite}.sh
