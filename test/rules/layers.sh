#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A source file includes headers of its own folder and of lower layers only; the command, cli, of its own and the public ones. src/layers has the folders as layers, a line
# each, the lowest first; folders on one line do not know each other.

. "$top_srcdir/test/lib/test.sh"
cd "$top_srcdir/src" || exit 99

# layer_of FOLDER: the number of its layer, empty when src/layers does not name it.
layer_of() {
	awk -v folder="$1" '!/^#/ { n++; for (i = 1; i <= NF; i++) if ($i == folder) print n }' layers
}

# check FILE: hold each of its includes with quotes against the layers.
check() {
	folder=${1%%/*}
	own=$(layer_of "$folder")
	[ -n "$own" ] || { fail "src/layers does not name $folder/"; return; }
	for header in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$1"); do
		case $header in
		config.h) continue ;;
		*/*) ;;
		*) fail "src/$1 includes \"$header\" without its folder"; continue ;;
		esac
		theirs=${header%%/*}
		[ "$theirs" != "$folder" ] || continue
		layer=$(layer_of "$theirs")
		if [ -z "$layer" ]; then
			fail "src/$1 includes \"$header\", which is in no layer"
		elif [ "$folder" = cli ]; then
			fail "src/$1 includes \"$header\": the command knows the public headers only"
		elif [ "$layer" -ge "$own" ]; then
			fail "src/$1 includes \"$header\", but $theirs/ is not below $folder/"
		fi
	done
}

files=$(find . -mindepth 2 -name '*.[ch]' | sed 's,^\./,,' | sort)
[ -n "$files" ] || fail "no sources under src/"
for file in $files; do
	check "$file"
done
finish
