#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# demo.sh [SECTION]...: what make demo runs. Real programs with fallow preloaded beside the same under glibc, and a program
# that asks for memory without end where there is little of it. SECTION: programs, tmpfs, pool or limit; all by default.
#
# It wants top_srcdir and top_builddir. It needs no privileges; as root it shows huge pages too, by way of with-machine,
# which puts the machine back however this ends. Exit status 0 when all that was shown is so: same results, memory given
# back, one side dead by SIGBUS where it says so and the other alive. What this machine does not let is said in a line.

set -u
preload=$top_builddir/.libs/libfallow-malloc.so
until_the_end=$top_builddir/demo/until-the-end
work=$top_srcdir/demo
unset LD_PRELOAD FALLOW_CONF
LC_ALL=C
export LC_ALL
DEMO_REST=1.5
export DEMO_REST
wrong=0
started=$(date +%s)

scratch=$(mktemp -d "${TMPDIR:-/tmp}/fallow-demo.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
DEMO_RESIDENT=$scratch/resident
export DEMO_RESIDENT

bold='' bad='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$(printf '\033[1m') bad=$(printf '\033[31m') off=$(printf '\033[0m')
fi

section() { printf '\n%s%s%s\n\n' "$bold" "$*" "$off"; }
not_shown() { printf '    not shown: %s\n' "$*"; }
fail() {
	printf '    %snot as it should be: %s%s\n' "$bad" "$*" "$off"
	wrong=$((wrong + 1))
}

# program NAME: the system's own rather than a wrapper script found earlier on the path.
program() { if [ -x "/usr/bin/$1" ]; then echo "/usr/bin/$1"; else command -v "$1"; fi; }

# run ALLOCATOR COMMAND...: with glibc's malloc or fallow; what it used, printed and left behind is in files by that name.
run() {
	allocator=$1
	shift
	rm -rf "$scratch/run" "$DEMO_RESIDENT"
	mkdir "$scratch/run"
	set -- timeout -k 5 60 "$@"
	[ "$allocator" = glibc ] || set -- LD_PRELOAD="$preload" FALLOW_CONF=stats:exit "$@"
	(cd "$scratch/run" && exec "$top_builddir/demo/measure" "$scratch/$allocator.used" env "$@") \
		<"$input" >"$scratch/$allocator.out" 2>"$scratch/$allocator.err"
	echo $? >"$scratch/$allocator.status"
	[ ! -e "$scratch/run/result" ] || cat "$scratch/run/result" >>"$scratch/$allocator.out"
	cp "$DEMO_RESIDENT" "$scratch/$allocator.resident" 2>/dev/null || echo - >"$scratch/$allocator.resident"
}

# Of the processes that wrote statistics, the one that had most in its heap.
largest_heap='/^fallow: [0-9]+ bytes (taken|populated|idle)$/ { value[$4] = $2 }
	/^fallow: [0-9]+ discards$/ && value["populated"] >= most {
		most = value["populated"]
		line = sprintf("%.1f MiB taken, %.1f populated, %.1f idle; memory was given back %d time%s", value["taken"] / 1048576,
			most / 1048576, value["idle"] / 1048576, $2, $2 == 1 ? "" : "s")
	}
	END { print line; exit line == "" }'

# show NAME WHAT COMMAND...: run it under both, show the two, and see that the results are the same.
show() {
	name=$1 what=$2
	if [ -z "$3" ]; then
		not_shown "$name is not installed"
		return
	fi
	shift 2
	run glibc "$@"
	run fallow "$@"
	printf '    %s%s%s: %s\n' "$bold" "$name" "$off" "$what"
	printf '        %-10s  %10s  %15s  %22s\n' '' 'CPU time' 'peak resident' 'its data forgotten'
	for allocator in glibc fallow; do
		# shellcheck disable=SC2046 # three numbers and one more
		set -- $(cat "$scratch/$allocator.used") $(cat "$scratch/$allocator.resident")
		printf '        %-10s  %s\n' "$allocator" "$(echo "$*" | awk '{
			rest = $4 == "-" ? "-" : sprintf("%.1f MiB", $4 / 1024)
			printf "%8.2f s  %11.1f MiB  %22s", $1 / 1000, $3 / 1024, rest }')"
	done
	if line=$(awk "$largest_heap" "$scratch/fallow.err"); then
		printf '        at its end fallow had %s\n\n' "$line"
	else
		fail "$name ran without fallow"
	fi
	[ "$(cat "$scratch/glibc.status")$(cat "$scratch/fallow.status")" = 00 ] || {
		fail "$name ended with $(cat "$scratch/glibc.status") under glibc, $(cat "$scratch/fallow.status") under fallow"
		tail -n 3 "$scratch/fallow.err"
	}
	cmp -s "$scratch/glibc.out" "$scratch/fallow.out" || fail "$name has other results under fallow"
}

real_programs() {
	section "Programs of this machine, unchanged: with glibc's malloc, then with fallow preloaded"
	input=/dev/null
	# By itself Python maps memory for small objects past malloc.
	PYTHONMALLOC=malloc
	export PYTHONMALLOC
	show python3 'half a million records in a dictionary, grouped, sorted, forgotten (PYTHONMALLOC=malloc)' \
		"$(program python3)" "$work/work.py" "$DEMO_RESIDENT"
	show perl '300,000 lines put together, edited, searched, sorted, forgotten' \
		"$(program perl)" "$work/work.pl" "$DEMO_RESIDENT"
	input=$work/work.sql
	show sqlite3 '400,000 rows in memory, indexed, grouped, dropped' "$(program sqlite3)" :memory:
	input=/dev/null
	awk -v n=1500 -f "$work/large-source.awk" >"$scratch/large.c"
	show gcc "a C file of 1,500 functions, $(wc -l <"$scratch/large.c") lines" \
		"$(program gcc)" -O1 -c -o result "$scratch/large.c"
	echo '    "its data forgotten": resident a moment after the program freed nearly all it had, still running.'
}

# in_tmpfs COMMAND...: run it with a tmpfs of 8 MiB at $scratch/tmpfs that nobody else sees and that goes when it ends.
in_tmpfs() {
	mkdir -p "$scratch/tmpfs"
	# shellcheck disable=SC2016,SC2086 # for the inner shell; a list of options
	unshare $unshare_flags sh -c 'mount -t tmpfs -o size=8M,mode=1777 fallow-demo "$1" && shift && exec "$@"' sh \
		"$scratch/tmpfs" "$@"
}

full_tmpfs() {
	section "The end of a tmpfs of 8 MiB"
	unshare_flags=-Urm
	[ "$(id -u)" -ne 0 ] || unshare_flags=-m
	if ! in_tmpfs true 2>"$scratch/err"; then
		not_shown "this machine lets no tmpfs be mounted here ($(head -n 1 "$scratch/err"))"
		return
	fi
	in_tmpfs "$until_the_end" tmpfs "$scratch/tmpfs" || fail "a program at the end of a tmpfs"
}

empty_pool() {
	section "The end of a pool of four huge pages of 2 MiB"
	if [ "$(id -u)" -ne 0 ]; then
		not_shown "setting how many huge pages there are takes root: sudo ./bootstrap demo"
		return
	fi
	"$top_builddir/test/lib/with-machine" huge_2m=4 "$until_the_end" pool >"$scratch/pool"
	status=$?
	if [ $status -eq 77 ]; then
		not_shown "$(sed 's/^skipped: //' "$scratch/pool" | head -n 1)"
		return
	fi
	cat "$scratch/pool"
	[ $status -eq 0 ] || fail "a program at the end of a pool of huge pages"
}

arena_limit() {
	section "The end that a program sets itself: an arena with a limit of 8 MiB"
	"$until_the_end" limit || fail "a program at the limit of its arena"
}

printf '%sfallow: real programs, and what becomes of a program when its memory ends%s\n' "$bold" "$off"
[ $# -gt 0 ] || set -- programs tmpfs pool limit
for section; do
	case $section in
	programs) real_programs ;;
	tmpfs) full_tmpfs ;;
	pool) empty_pool ;;
	limit) arena_limit ;;
	*) fail "there is no section \"$section\"" ;;
	esac
done

printf '\n    took %d seconds' $(($(date +%s) - started))
if [ $wrong -eq 0 ]; then
	printf '; all of it was checked as it ran.\n'
	exit 0
fi
printf '; %snot as it should be: %d.%s\n' "$bad" $wrong "$off"
exit 1
