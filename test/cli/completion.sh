#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bash completes fallow's commands, options, values of options, checks of doctor, and the program that run is to run.

. "$top_srcdir/test/lib/test.sh"
scratch
PATH=$top_builddir:$PATH
. "$top_srcdir/src/cli/completion/fallow" || exit 99

# completes WORD... : EXPECTED...: the last word is completed to these, in any order. Bash cuts words at =.
completes() {
	COMP_WORDS=()
	COMPREPLY=()
	while [ "$1" != : ]; do
		COMP_WORDS+=("$1")
		shift
	done
	shift
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_fallow
	local got=$(printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd' ')
	local wanted=$(printf '%s\n' "$@" | sort | paste -sd' ')
	[ "$got" = "$wanted" ] || fail "'${COMP_WORDS[*]}' is completed to '$got', not '$wanted'"
}

completes fallow "" : run doctor stat map record report pool
completes fallow d : doctor
completes fallow x : ""
completes fallow --v : --version
completes fallow run --sp : --spill=
completes fallow run --back : --backing=
completes fallow run --backing = : anon hugetlb
completes fallow run --backing = hu : hugetlb
completes fallow run --spill = anon --thp = a : auto always
completes fallow doctor --j : --json
completes fallow doctor m : mounts memory-cgroup
completes fallow pool "" : show resize mount umount
completes fallow pool resize --s : --size=
completes fallow pool mount --o : --owner=
completes fallow stat $$ : $$
completes fallow stat --w : --watch
completes fallow map --o : --output=
mkdir "$scratch/directory"
touch "$scratch/dull-file"
completes fallow map -o "$scratch/d" : "$scratch/directory" "$scratch/dull-file"
completes fallow pool mount "$scratch/d" : "$scratch/directory"
completes fallow record --sp : --spill=
completes fallow record --in : --interval=
completes fallow record --backing = hu : hugetlb
completes fallow record -i 5 -o "$scratch/d" : "$scratch/directory" "$scratch/dull-file"
completes fallow record -i 5 -o run.fallow sha256su : sha256sum
completes fallow record --output = "$scratch/du" : "$scratch/dull-file"
completes fallow record --output = run.fallow -- sha256su : sha256sum
completes fallow report --j : --json
completes fallow report "$scratch/du" : "$scratch/dull-file"
completes fallow report --output = "$scratch/du" : "$scratch/dull-file"
completes fallow run "$top_builddir/.libs/libfallow-malloc.so.nonexistent" : ""
completes fallow run -- sha256su : sha256sum
completes fallow run --limit = 1M sha256su : sha256sum
completes fallow run -v -- cat "$scratch/du" : "$scratch/dull-file"

# Every option that there is can be completed.
for option in $(fallow run --help | grep -o '^  --[a-z]*'); do
	completes fallow run "$option" : "$(fallow run --help | grep -o "^  $option=\{0,1\}" | tr -d ' ')"
done
finish
