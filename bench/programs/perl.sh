#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# perl: hashes, strings, regular expressions, sorting.
# usage: perl.sh prepare|run SCALE
set -eu
command -v perl >/dev/null || { echo "perl is not installed"; exit 77; }
[ "$1" = prepare ] && exit 0
PERL_HASH_SEED=0
export PERL_HASH_SEED
exec perl "$(dirname "$0")/perl-work.pl" "$2"
