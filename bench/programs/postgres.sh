#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# PostgreSQL under pgbench on a unix socket: point reads and queries that sort, hash and aggregate.
# Only the server's processes are measured. Run as root it becomes the user postgres.
# usage: postgres.sh prepare|run SCALE
set -eu
binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
{ [ -n "$binaries" ] && command -v pgbench >/dev/null; } ||
    { echo "postgresql is not installed"; exit 77; }
. "$(dirname "$0")/process.sh"

preload=${LD_PRELOAD:-}
unset LD_PRELOAD
user=
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || { echo "there is no user postgres to run the server as"; exit 77; }
    user="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
data=$BENCH_WORK/postgres
for library in $(echo "$preload" | tr : ' '); do
    $user test -r "$library" || { echo "the user postgres cannot read $library"; exit 77; }
done

server=
finish() {
    [ -z "$server" ] || kill -INT "$server" 2>/dev/null || :
    [ -z "$server" ] || wait "$server" 2>/dev/null || :
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# A function would be a process of its own between this one and the server, so the user is a prefix of words.
# The server's settings keep the disk out of the measurement.
server_start() {
    $user env LD_PRELOAD="$1" "$binaries/postgres" -D "$data" -k "$data" -c listen_addresses= -c fsync=off \
        -c full_page_writes=off -c autovacuum=off -c shared_buffers=64MB -c work_mem=32MB -c jit=off \
        -c max_parallel_workers_per_gather=0 -c synchronous_commit=off -c logging_collector=off \
        >>"$BENCH_WORK/postgres.log" 2>&1 &
    server=$!
    tries=0
    until $user "$binaries/pg_isready" -q -h "$data"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || { tail -n 5 "$BENCH_WORK/postgres.log"; exit 1; }
        sleep 0.05
    done
}

if [ "$1" = prepare ]; then
    chmod 711 "$BENCH_WORK"
    mkdir -p "$data"
    [ "$(id -u)" != 0 ] || chown postgres: "$data"
    $user "$binaries/initdb" -D "$data" -A trust -U postgres --no-sync >"$BENCH_WORK/postgres.log" 2>&1
    server_start ""
    $user pgbench -q -i -s 2 -h "$data" -U postgres postgres >>"$BENCH_WORK/postgres.log" 2>&1
    cat >"$BENCH_WORK/postgres.sql" <<'SQL'
\set from random(1, 150000)
SELECT b, count(*), string_agg(filler, '' ORDER BY abalance) FROM
    (SELECT aid % 500 b, abalance, substr(filler, 1, 8) filler FROM pgbench_accounts WHERE aid BETWEEN :from AND :from + 10000) t GROUP BY b;
SELECT count(*) FROM pgbench_accounts a JOIN pgbench_accounts c ON a.aid = c.aid + 1 WHERE a.aid BETWEEN :from AND :from + 10000;
SELECT abalance FROM pgbench_accounts WHERE aid = :from;
SQL
    chmod 644 "$BENCH_WORK/postgres.sql"
    exit 0
fi

server_start "$preload"
begin=$(clock_ms)
$user pgbench -n -c 4 -j 1 -t "$((1 + $2 / 6))" -f "$BENCH_WORK/postgres.sql@1" -h "$data" -U postgres postgres >"$BENCH_WORK/pgbench.log" 2>&1 ||
    { tail -n 5 "$BENCH_WORK/pgbench.log"; exit 1; }
$user pgbench -n -S -C -c 2 -j 1 -t "$((1 + $2 / 2))" -h "$data" -U postgres postgres >"$BENCH_WORK/pgbench.log" 2>&1 ||
    { tail -n 5 "$BENCH_WORK/pgbench.log"; exit 1; }
wall=$(($(clock_ms) - begin))
# A session that sorts and hashes is looked at before it ends, for the peak of one backend.
peak=$($user psql -q -t -A -h "$data" -U postgres postgres <<'SQL'
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE sorted AS SELECT md5(aid::text) k, aid, filler FROM pgbench_accounts ORDER BY 1;
SELECT count(DISTINCT k) + count(DISTINCT aid) FROM sorted \g /dev/null
SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmHWM:\s*(\d+)'))[1];
SQL
)
# The server counts a session once it has reaped it.
sleep 0.2
cpu=$(process_cpu_ms "$server")
faults=$(process_faults "$server")
echo "postgres operations=$2 wall_ms=$wall cpu_ms=$cpu peak_kib=$peak faults=$faults"
