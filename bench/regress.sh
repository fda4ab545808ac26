#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The fast paths' instructions, and system calls and faults of fixed loads, stay within 3 % of bench/baseline.
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
exec python3 -B "${top_srcdir:-.}/bench/regress.py" "$@"
