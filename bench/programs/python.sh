#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# python3 without its own small-object allocator: every object is a malloc.
# usage: python.sh prepare|run SCALE
set -eu
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
[ "$1" = prepare ] && exit 0
PYTHONMALLOC=malloc PYTHONHASHSEED=0
export PYTHONMALLOC PYTHONHASHSEED
exec python3 -S "$(dirname "$0")/python-work.py" "$2"
