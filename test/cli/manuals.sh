#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manuals of the commands are clean for mandoc, and describe every command and option that --help lists.

. "$top_srcdir/test/lib/test.sh"
command -v mandoc >/dev/null || skip "no mandoc"
scratch
fallow=$top_builddir/fallow

for page in "$top_srcdir"/man/*.[1-8]; do
	mandoc -Tlint -W warning "$page" >"$scratch/lint" || fail "mandoc on ${page##*/}: $(cat "$scratch/lint")"
	grep -q "man/${page##*/}\\b" "$top_srcdir"/*.am "$top_srcdir"/*/*.am "$top_srcdir"/*/*/*.am ||
		fail "${page##*/} is not installed"
done

# described COMMAND PAGE: the long options of its help are in the page, as items of a list.
described() {
	# Unquoted on purpose: a command may be two words.
	"$fallow" $1 --help >"$scratch/help" || fail "fallow $1 --help"
	mandoc -Tman "$top_srcdir/man/$2.1" >"$scratch/page" || fail "no page $2(1)"
	for option in $(grep -o '^  \(-[a-zA-Z], \)\{0,1\}--[a-z]*' "$scratch/help" | grep -o -- '--[a-z]*'); do
		grep -q "^\.It.* Fl Fl ${option#--}\\b" "$top_srcdir/man/$2.1" || fail "$2(1) does not describe $option of fallow $1"
	done
	for below in $(sed -n '/^Commands, /,$s/^  \([a-z]*\)  .*/\1/p' "$scratch/help"); do
		grep -q "^\.It.* Cm $below\\b\|^\.It Xr fallow-$below 1" "$top_srcdir/man/$2.1" || fail "$2(1) does not describe fallow $1 $below"
	done
}
described "" fallow
described run fallow-run
described doctor fallow-doctor
described stat fallow-stat
described map fallow-map
described record fallow-record
described report fallow-report
for command in "pool" "pool show" "pool resize" "pool mount" "pool umount"; do
	described "$command" fallow-pool
done

# Options of the library have their values and defaults there too.
"$fallow" run --help | sed -n 's/^  --\([a-z]*\)=\([a-z|]*|[a-z|]*\) .*/\1 \2/p' >"$scratch/choices"
[ -s "$scratch/choices" ] || fail "no options with a choice of values"
while read -r option values; do
	for value in $(echo "$values" | tr '|' ' '); do
		sed -n "/^\.It Fl Fl $option\\b/,/^\.It/p" "$top_srcdir/man/fallow-run.1" | sed '$d' | grep -qw "$value" ||
			fail "fallow-run(1) does not say $value of --$option"
	done
done <"$scratch/choices"
finish
