#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that bash does the same under the preload as without: arrays, long strings, functions, subshells, pipelines,
# process substitution, traps.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
prove_preloaded bash -c 'echo "$(echo a | tr a b)" >/dev/null' || exit 1
cat >"$scratch/work" <<'END'
declare -A table
declare -a list
for ((i = 0; i < 20000; i++)); do
    list+=("entry $((i * 7919 % 10007))")
    table[key$((i % 3000))]+="$i,"
done
echo ${#list[@]} ${#table[@]}
printf '%s\n' "${list[@]}" | sort | sha256sum
for key in "${!table[@]}"; do echo "$key ${table[$key]}"; done | sort | sha256sum
text=${list[*]}
echo ${#text} "$(sha256sum <<<"${text//entry /<}")"
fib() { (($1 < 2)) && echo "$1" || echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); }
fib 9
for i in {1..100}; do (exit $((i % 7))) || echo "child $?"; done | sort | uniq -c
diff <(seq 1 2000) <(seq 1 2000 | tac | tac) && echo same
[[ "$text" =~ entry\ ([0-9]+)\ entry ]] && echo "${BASH_REMATCH[1]}"
readarray -t lines < <(seq 1 50000)
unset 'lines[100]'
echo ${#lines[@]}
trap 'echo leaving' EXIT
eval "$(for i in {1..500}; do echo "function f$i { echo $i; }"; done)"
f250
END
same bash "$scratch/work"
