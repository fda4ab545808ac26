#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Zsh completes fallow's commands, options, values of options, and checks of doctor, as typed at its prompt.

. "$top_srcdir/test/lib/test.sh"
command -v zsh >/dev/null || skip "no zsh"
scratch

# Types at a zsh on a terminal of its own, presses tab, and asks for the line as it then is.
cat >"$scratch/type.zsh" <<'END'
zmodload zsh/zpty
zpty -b shell "TERM=dumb PS1= zsh -f -i"
say() { zpty -w shell "$1"; }
say "unsetopt zle_bracketed_paste; stty -echo; PATH=$top_builddir:\$PATH fpath=($top_srcdir/src/cli/completion \$fpath)"
say "autoload -U compinit && compinit -u -D -d $scratch/dump && bindkey '^I' complete-word"
say "LISTMAX=1000; print-line() { print -r -- \"LINE[\$BUFFER]\"; BUFFER=; zle accept-line; }; zle -N print-line; bindkey '^X' print-line"
say "print REA''DY"
zpty -r shell output '*READY*' || exit 99
while read -r typed; do
	zpty -w -n shell "$typed"$'\t\x18'
	zpty -r shell output '*LINE\[*\]*' || exit 99
	print -r -- "${${output##*LINE\[}%%\]*}"
done
END

# completes TYPED EXPECTED: the line after tab.
completes() {
	got=$(echo "$1" | scratch=$scratch timeout 20 zsh -f "$scratch/type.zsh") || { fail "zsh does not answer"; return; }
	[ "$got" = "$2" ] || fail "'$1' is completed to '$got', not '$2'"
}

completes "fallow d" "fallow doctor "
completes "fallow run --sp" "fallow run --spill="
completes "fallow run --backing=hu" "fallow run --backing=hugetlb "
completes "fallow doctor --j" "fallow doctor --json"
completes "fallow doctor mo" "fallow doctor mounts "
completes "fallow pool sh" "fallow pool show "
completes "fallow pool resize --s" "fallow pool resize --size="
completes "fallow record --sp" "fallow record --spill="
completes "fallow record --int" "fallow record --interval="
completes "fallow record -i 5 --backing=hu" "fallow record -i 5 --backing=hugetlb "
completes "fallow record -i 5 -o run.fallow sha256su" "fallow record -i 5 -o run.fallow sha256sum "
completes "fallow report $scratch/t" "fallow report $scratch/type.zsh "
completes "fallow run -- sha256su" "fallow run -- sha256sum "
finish
