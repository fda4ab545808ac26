# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests with real programs share: running with and without the preload, proof of the preload, servers, bounds.
#
# Sourced by bash scripts under `set -u`. It makes $scratch, a temporary folder, and at exit, however the script ends,
# stops every process that start_server started and removes the folder. The preload is set for the program under test
# only, never for the tools of the script itself.

: "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${top_builddir:=.}"
limit_s=${limit_s:-300}
scratch=
servers=()

skip() { echo "skipped: $*"; exit 77; }
hard_error() { echo "cannot run: $*"; exit 99; }
fail() { echo "FAIL: $*"; exit 1; }

[ -n "${FALLOW_PRELOAD:-}" ] || hard_error "FALLOW_PRELOAD names no library"
[ -r "$FALLOW_PRELOAD" ] || hard_error "no library $FALLOW_PRELOAD"
FALLOW_PRELOAD=$(realpath "$FALLOW_PRELOAD")
unset LD_PRELOAD
export LC_ALL=C

leave() {
    local pid
    for pid in ${servers[@]+"${servers[@]}"}; do
        kill -KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    [ -n "$scratch" ] && rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 143' HUP INT TERM
scratch=$(mktemp -d "${TMPDIR:-/tmp}/fallow-test.XXXXXX") || hard_error "no temporary folder"

need() { # need COMMAND PACKAGE: skips the test where a program is missing.
    command -v "$1" >/dev/null || skip "no $1 (Debian package $2)"
}

elapsed() { # elapsed EPOCHREALTIME: prints the seconds since then.
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'
}

bounded() { timeout -k 5 "$limit_s" "$@"; }
preloaded() { bounded env LD_PRELOAD="$FALLOW_PRELOAD" "$@"; }

# prove_preloaded COMMAND...: runs the command and fails unless in each process that it starts the dynamic linker bound
# malloc to the preloaded library and in none to libc, so that no test passes without it.
prove_preloaded() {
    local trace name unproven=0
    name=$(basename "$FALLOW_PRELOAD")
    trace=$(mktemp -d "$scratch/bindings.XXXXXX") && chmod 777 "$trace"
    preloaded LD_DEBUG=bindings LD_DEBUG_OUTPUT="$trace/pid" LD_BIND_NOW=1 "$@" >"$trace/out" 2>&1 </dev/null || {
        echo "FAIL: preloaded: $*"
        tail -n 5 "$trace/out"
        return 1
    }
    local process
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

# same COMMAND...: runs the command without and with the preload, each in an empty folder of its own; output, errors, exit
# status and the files left must be equal. Both folders are removed; the input, if any, is the file named by $input.
same() {
    local variant start
    for variant in plain preload; do
        rm -rf "$scratch/$variant" && mkdir "$scratch/$variant" || return 1
        start=$EPOCHREALTIME
        (
            cd "$scratch/$variant" || exit
            mkdir files && cd files || exit
            if [ $variant = preload ]; then
                preloaded "$@"
            else
                bounded "$@"
            fi <"${input:-/dev/null}" >../out 2>../err
            echo $? >../status
        )
        eval "local ${variant}_s=$(elapsed "$start")"
    done
    if diff -r "$scratch/plain" "$scratch/preload" >"$scratch/difference"; then
        echo "ok   $1: exit $(cat "$scratch/plain/status"), $plain_s s, preloaded $preload_s s"
        return 0
    fi
    echo "FAIL: the preload changes what this does: $*"
    echo "     exit $(cat "$scratch/plain/status"), preloaded $(cat "$scratch/preload/status")"
    head -n 20 "$scratch/difference"
    return 1
}

# start_server VARIABLE LOG COMMAND...: starts a preloaded server in the background and puts its process id in VARIABLE.
start_server() {
    local variable=$1 log=$2
    shift 2
    env LD_PRELOAD="$FALLOW_PRELOAD" "$@" >"$log" 2>&1 </dev/null &
    servers+=($!)
    printf -v "$variable" %s $!
}

# stop_server PID SIGNAL: asks a server to end and waits for it, at most 30 s; returns its exit status.
stop_server() {
    kill -"$2" "$1" || return 1
    wait_until 30 not_running "$1" || return 1
    wait "$1"
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

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
