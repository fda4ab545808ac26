#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# redis-server on a unix socket, loaded and read by redis-benchmark, then emptied. Only the server is measured.
# usage: redis.sh prepare|run SCALE
set -eu
command -v redis-server >/dev/null && command -v redis-benchmark >/dev/null ||
    { echo "redis-server and redis-tools are not installed"; exit 77; }
[ "$1" = prepare ] && exit 0
. "$(dirname "$0")/process.sh"

preload=${LD_PRELOAD:-}
unset LD_PRELOAD
folder=$(mktemp -d "${TMPDIR:-/tmp}/fallow-redis.XXXXXX")
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || :
    [ -z "$server" ] || wait "$server" 2>/dev/null || :
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

env LD_PRELOAD="$preload" redis-server --port 0 --unixsocket "$folder/s" --save "" --dir "$folder" --logfile "$folder/log" \
    --activedefrag no &
server=$!
tries=0
until redis-cli -s "$folder/s" ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || { cat "$folder/log"; exit 1; }
    sleep 0.05
done

requests=$((3000 * $2))
before=$(process_cpu_ms "$server")
begin=$(clock_ms)
redis-benchmark -s "$folder/s" -q -n "$requests" -r 100000 -P 32 -c 20 -d 200 -t set,get,lpush,hset,zadd >/dev/null
redis-benchmark -s "$folder/s" -q -n "$((requests / 4))" -r 20000 -P 32 -c 20 -d 3000 -t set,get >/dev/null
wall=$(($(clock_ms) - begin))
cpu=$(($(process_cpu_ms "$server") - before))
peak=$(process_peak_kib "$server")
faults=$(process_faults "$server")
redis-cli -s "$folder/s" flushall >/dev/null
sleep 1.5
echo "redis operations=$requests wall_ms=$wall cpu_ms=$cpu peak_kib=$peak faults=$faults resident_kib=$(process_resident_kib "$server")"
