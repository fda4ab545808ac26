# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests with real programs share: running with and without the preload, proof of the preload, servers, bounds.
#
# Sourced by bash scripts under `set -u`. It makes $scratch, a temporary folder. The preload is set for the program under
# test only, never for the tools of the script itself. Whatever runs for long runs in a session of its own; at the end of
# the script, also when it is told to stop half way, what is left of those sessions is killed and the folder removed.

: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${top_builddir:=.}"
: "${CC:=gcc}" "${CXX:=g++}"
limit_s=300
scratch=
sessions=()

skip() { echo "skipped: $*"; exit 77; }
hard_error() { echo "cannot run: $*"; exit 99; }
fail() { echo "FAIL: $*"; exit 1; }

[ -n "${FALLOW_PRELOAD:-}" ] || hard_error "FALLOW_PRELOAD names no library"
[ -r "$FALLOW_PRELOAD" ] || hard_error "no library $FALLOW_PRELOAD"
FALLOW_PRELOAD=$(realpath "$FALLOW_PRELOAD")

# Tests that take memory from the whole machine hold this lock (test/lib/machine.h). Programs share it, so that they never
# run meanwhile and may run side by side.
machine_lock=/run/lock/fallow-machine.lock
[ -e $machine_lock ] || : >$machine_lock || hard_error "cannot make $machine_lock"
exec 9<$machine_lock && flock -s -w 600 9 || hard_error "$machine_lock is taken"
unset LD_PRELOAD
export LC_ALL=C
ulimit -c 0

leave() {
    local id signal
    # A server takes its helpers along when it is asked; killed at once it may leave them behind.
    for signal in TERM KILL; do
        for id in ${sessions[@]+"${sessions[@]}"}; do
            kill -$signal -- "-$id" 2>/dev/null && [ $signal = TERM ] && wait_until 2 gone "$id"
        done
    done
    [ -z "$scratch" ] || rm -rf "$scratch"
}
gone() { ! kill -0 -- "-$1"; }
trap leave EXIT
trap 'exit 143' HUP INT TERM
scratch=$(mktemp -d "${TMPDIR:-/tmp}/fallow-test.XXXXXX") || hard_error "no temporary folder"

need() { # need COMMAND PACKAGE: skips the test where a program is missing.
    command -v "$1" >/dev/null || skip "no $1 (Debian package $2)"
}

elapsed() { # elapsed EPOCHREALTIME: prints the seconds since then.
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'
}

# wait_until SECONDS COMMAND...: tries the command every tenth of a second until it succeeds.
wait_until() {
    local tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ $tries -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

# bounded COMMAND...: runs it for $limit_s at most. In the background, since a shell heeds no signal while it waits for a
# command in the foreground.
bounded() {
    setsid timeout -k 5 $limit_s "$@" <&0 9<&- &
    sessions+=($!)
    wait $!
    local status=$?
    unset "sessions[-1]"
    return $status
}

preloaded() { bounded env LD_PRELOAD="$FALLOW_PRELOAD" "$@"; }

# prove_preloaded COMMAND...: runs the command and fails unless in each process that it starts the dynamic linker bound
# malloc to the preloaded library and in none to libc, so that no test passes without it.
prove_preloaded() {
    local trace name process unproven=0
    name=$(basename "$FALLOW_PRELOAD")
    trace=$(mktemp -d "$scratch/bindings.XXXXXX") && chmod 777 "$trace"
    preloaded LD_DEBUG=bindings LD_DEBUG_OUTPUT="$trace/pid" LD_BIND_NOW=1 "$@" >"$trace/out" 2>&1 </dev/null || {
        echo "FAIL: preloaded: $*"
        tail -n 5 "$trace/out"
        return 1
    }
    for process in "$trace"/pid.*; do
        [ -e "$process" ] || { echo "FAIL: no trace of the dynamic linker: $*"; return 1; }
        if ! grep -q "to [^ ]*/$name \[0\]: normal symbol \`malloc'" "$process" ||
            grep -q "to [^ ]*/libc\.so\.6 \[0\]: normal symbol \`malloc'" "$process"; then
            echo "FAIL: malloc is not the preloaded one: $*: $(grep -m 1 -o 'calling init: .*' "$process")"
            unproven=1
        fi
    done
    rm -rf "$trace"
    return $unproven
}

# same COMMAND...: runs the command without and with the preload, each in an empty folder at the same path. It must succeed
# without, and output, errors, exit status and the files left must be equal. Its input is the file named by $input, if any.
same() {
    local variant start plain_s preload_s
    for variant in plain preload; do
        rm -rf "$scratch/run" "${scratch:?}/$variant"
        mkdir -p "$scratch/run/files"
        start=$EPOCHREALTIME
        if [ $variant = preload ]; then
            preloaded env -C "$scratch/run/files" "$@"
        else
            bounded env -C "$scratch/run/files" "$@"
        fi <"${input:-/dev/null}" >"$scratch/run/out" 2>"$scratch/run/err"
        echo $? >"$scratch/run/status"
        printf -v ${variant}_s %s "$(elapsed "$start")"
        mv "$scratch/run" "$scratch/$variant"
    done
    if [ "$(cat "$scratch/plain/status")" != 0 ]; then
        echo "FAIL: exit $(cat "$scratch/plain/status") without the preload: $*"
        tail -n 20 "$scratch/plain/err"
        return 1
    fi
    if diff -r "$scratch/plain" "$scratch/preload" >"$scratch/difference"; then
        echo "ok   $*: $plain_s s, preloaded $preload_s s"
        return 0
    fi
    echo "FAIL: exit $(cat "$scratch/preload/status") and other results preloaded: $*"
    head -n 20 "$scratch/difference"
    return 1
}

# start VARIABLE LOG COMMAND...: starts a command in the background and puts its process id in VARIABLE.
start() {
    local variable=$1 log=$2
    shift 2
    setsid "$@" >"$log" 2>&1 </dev/null 9<&- &
    sessions+=($!)
    printf -v "$variable" %s $!
}

# Preloaded: a server, without end, and a client of it, bounded.
start_server() { start "$1" "$2" env LD_PRELOAD="$FALLOW_PRELOAD" "${@:3}"; }
start_client() { start "$1" "$2" timeout -k 5 $limit_s env LD_PRELOAD="$FALLOW_PRELOAD" "${@:3}"; }

# stop_server PID SIGNAL: asks a server to end and waits for it, at most 30 s; returns its exit status.
stop_server() {
    kill -"$2" "$1" || return 1
    wait_until 30 not_running "$1" || return 1
    wait "$1"
}

not_running() { ! kill -0 "$1"; }

# mapped PID...: fails unless the library is mapped in each of these processes.
mapped() {
    local pid
    for pid in "$@"; do
        grep -q "$FALLOW_PRELOAD" "/proc/$pid/maps" || fail "$FALLOW_PRELOAD is not in process $pid"
    done
}

free_port() { # Prints a loopback port that nothing listens on.
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}
