#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The files and functions that the documents name are there.

. "$top_srcdir/test/lib/test.sh"
cd "$top_srcdir" || exit 99
documents="README.md HACKING.md doc/*.md"

# named PATTERN: what the documents have in backquotes of this kind.
# Unquoted on purpose: a list.
named() { grep -ohE "\`$1\`" $documents | tr -d '`()' | sort -u; }

for path in $(named '[a-z0-9_-]+/[a-z0-9_/.-]+\.(c|h|sh|py|am)'); do
	case $path in share/*) continue ;; esac # as it is installed
	[ -e "$path" ] || [ -e "src/$path" ] || [ -e "include/$path" ] || fail "there is no $path"
done
for path in $(named '(test|examples)/[a-z0-9-]+(/[a-z0-9-]+)?'); do
	[ -e "$path" ] || [ -e "$path.c" ] || [ -e "$path.sh" ] || fail "there is no $path"
done
for name in $(named '[a-z_]+\(\)'); do
	grep -rqw -- "$name" src include || fail "there is no $name()"
done
finish
