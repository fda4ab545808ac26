#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that PostgreSQL makes a cluster, serves pgbench and sorts, joins and aggregates under the preload, and that a server
# without the preload finds the same data. On a Unix socket only; as nobody when started by root, whom the server refuses.
#
# $transactions a client: those of seconds unless postgresql-long.sh says more.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "$bin/postgres" ] || skip "no PostgreSQL server (Debian package postgresql)"
need "$bin/pgbench" postgresql-contrib
transactions=${transactions:-1000}
prove_preloaded "$bin/postgres" --version || exit 1

# The preload must be readable by nobody too, wherever the build is.
chmod 755 "$scratch"
cp "$FALLOW_PRELOAD" "$scratch/" && chmod 755 "$scratch/$(basename "$FALLOW_PRELOAD")"
FALLOW_PRELOAD=$scratch/$(basename "$FALLOW_PRELOAD")
as=()
if [ "$(id -u)" = 0 ]; then
    need setpriv util-linux
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    mkdir "$scratch/home" && chown 65534:65534 "$scratch/home"
else
    mkdir "$scratch/home"
fi
cd "$scratch/home" || exit 99
export HOME=$scratch/home PGHOST=$scratch/home PGDATA=$scratch/home/data PGUSER=test PGDATABASE=postgres

preloaded "${as[@]}" "$bin/initdb" -U test -A trust -E UTF8 --no-sync >"$scratch/initdb.log" 2>&1 || {
    tail "$scratch/initdb.log"
    fail "initdb"
}
settings=(-c listen_addresses= -c "unix_socket_directories=$PGHOST" -c fsync=off -c shared_buffers=32MB -c work_mem=16MB
    -c max_parallel_workers_per_gather=2 -c min_parallel_table_scan_size=0 -c parallel_setup_cost=0)
query() { timeout 120 "$bin/psql" -XAtq -v ON_ERROR_STOP=1 "$@"; }
ready() { "$bin/pg_isready" -q; }

start_server server "$scratch/server.log" "${as[@]}" "$bin/postgres" "${settings[@]}"
wait_until 60 ready || { tail "$scratch/server.log"; fail "the server does not answer"; }
# Backends are forks of the server, as its helpers are.
# shellcheck disable=SC2046
mapped "$server" $(pgrep -P "$server")
start=$EPOCHREALTIME
preloaded "$bin/pgbench" -iq -s 2 >"$scratch/pgbench.log" 2>&1 || { cat "$scratch/pgbench.log"; fail "pgbench -i"; }
for mode in simple prepared; do
    preloaded "$bin/pgbench" -n -c 4 -j 2 -t "$transactions" -M $mode >"$scratch/pgbench.log" 2>&1 || {
        cat "$scratch/pgbench.log" "$scratch/server.log"
        fail "pgbench"
    }
    grep -q "^number of failed transactions: 0 " "$scratch/pgbench.log" || fail "pgbench: transactions failed"
done

cat >"$scratch/questions.sql" <<'END'
select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history),
       (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from pgbench_tellers);
select count(*) from pgbench_history;
select md5(string_agg(aid || ':' || abalance, ',' order by aid)) from pgbench_accounts;
select count(*), sum(length(v)), md5(string_agg(v, '' order by v)) from work;
select k % 100, count(*), max(v), sum(k) from work group by 1 order by 1 limit 20;
select count(*) from work a join work b on a.k = b.k + 1 where a.v like '%7%';
select jsonb_agg(t) ->> 500 from (select k, v from work order by v, k limit 2000) t;
select sum(n) from (select row_number() over (partition by k % 7 order by v) n from work) t;
END
query -c "create table work as select i k, md5(i::text) || repeat('x', i % 200) v from generate_series(1, 100000) i" \
    -c "create index on work (v)" -c "vacuum analyze work" || fail "the table"
# A request of more than there can be is an error of that query only.
query -c "select repeat('x', 1000000000) || repeat('y', 1000000000)" >/dev/null 2>"$scratch/err" && fail "2 GB as one text"
query -f "$scratch/questions.sql" >"$scratch/preload.answers" || { tail "$scratch/server.log"; fail "the questions"; }
[ "$(head -n 1 "$scratch/preload.answers")" = "t|t" ] || fail "the sums of pgbench are wrong"
[ "$(sed -n 2p "$scratch/preload.answers")" = $((8 * transactions)) ] || fail "transactions are missing"
seconds=$(elapsed "$start")
stop_server "$server" INT || { tail "$scratch/server.log"; fail "the server ends with status $?"; }
grep -E 'PANIC|FATAL|terminated by signal' "$scratch/server.log" && fail "the server's log"

start plain "$scratch/plain.log" "${as[@]}" "$bin/postgres" "${settings[@]}"
wait_until 60 ready || { tail "$scratch/plain.log"; fail "the server without the preload does not answer"; }
query -f "$scratch/questions.sql" >"$scratch/plain.answers" || fail "the questions without the preload"
stop_server "$plain" INT || fail "the server without the preload ends with status $?"
cmp "$scratch/plain.answers" "$scratch/preload.answers" || fail "other answers without the preload"
echo "ok   postgresql: $((8 * transactions)) transactions, $(grep -c . "$scratch/preload.answers") answers, $seconds s"
