#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Everything compiles without a warning with the other of gcc and clang too, and its unit and api tests pass.

. "$top_srcdir/test/clean/build-again.sh"

case $CC in
clang*) CC=gcc CXX=g++ ;;
*) CC=clang CXX=clang++ ;;
esac
command -v "$CC" >/dev/null && command -v "$CXX" >/dev/null || skip "$CC and $CXX are not both installed"
build_again other-compiler --enable-werror check-build check-unit-api
finish
