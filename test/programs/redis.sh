#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that redis-server serves redis-benchmark and saves in the background meanwhile under the preload, and that what it
# saved is what a server without the preload reads. On a Unix socket only.
#
# $requests a command: those of seconds unless redis-long.sh says more.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
need redis-server redis-server
need redis-benchmark redis-tools
requests=${requests:-20000}
prove_preloaded redis-server --version || exit 1
prove_preloaded redis-benchmark --version || exit 1

socket=$scratch/redis.sock
settings=(--port 0 --unixsocket "$socket" --dir "$scratch" --dbfilename dump.rdb --save "" --daemonize no
    --enable-debug-command yes --io-threads 2 --hz 50)
# redis-cli exits 0 on errors too; what it says is checked.
ask() { timeout 60 redis-cli -s "$socket" "$@"; }
answers() { [ "$(ask ping)" = PONG ]; }
info() { ask info persistence | tr -d '\r' | sed -n "s/^$1://p"; }
saved() { [ "$(info rdb_bgsave_in_progress)" = 0 ]; }

start_server server "$scratch/server.log" redis-server "${settings[@]}"
wait_until 30 answers || { cat "$scratch/server.log"; fail "the server does not answer"; }
mapped "$server"

saves=0
start=$EPOCHREALTIME
start_client benchmark "$scratch/benchmark.log" redis-benchmark -s "$socket" -q -n "$requests" -c 20 -P 8 -r 20000 -d 200 \
    -t set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset
while kill -0 "$benchmark" 2>/dev/null; do
    if saved && ask bgsave | grep -q started; then
        saves=$((saves + 1))
        ask set "during save $saves" "$(printf '%1000s' x)" >/dev/null
    fi
    sleep 0.2
done
wait "$benchmark" || { cat "$scratch/benchmark.log"; fail "redis-benchmark"; }
grep -qi error "$scratch/benchmark.log" && { cat "$scratch/benchmark.log"; fail "redis-benchmark had errors"; }
[ $saves -gt 0 ] || fail "no save during the benchmark"
wait_until 60 saved || fail "a save does not end"
[ "$(info rdb_last_bgsave_status)" = ok ] || { tail "$scratch/server.log"; fail "a background save failed"; }

# Strings of every size, overwritten and shortened in a script, then emptied lazily: memory that grows, moves and goes.
ask eval 'for i = 1, 20000 do redis.call("set", "s" .. i % 3000, string.rep("x", i * 7 % 5000)) end
    for i = 1, 3000, 2 do redis.call("setrange", "s" .. i, 20000, "end") end return redis.call("dbsize")' 0 >/dev/null
ask flushall async >/dev/null
ask eval 'for i = 1, 30000 do redis.call("zadd", "z" .. i % 50, i, "member " .. i) redis.call("hset", "h" .. i % 100, i, i * i)
    redis.call("rpush", "l" .. i % 20, string.rep("y", i % 300)) redis.call("setbit", "b" .. i % 10, i, 1) end return 1' 0 >/dev/null
digest=$(ask debug digest)
[ ${#digest} = 40 ] || fail "no digest: $digest"
[ "$(ask bgsave)" = "Background saving started" ] || fail "no background save"
wait_until 60 saved || fail "the save does not end"
[ "$(ask debug reload)" = OK ] && [ "$(ask debug digest)" = "$digest" ] || fail "a reload changes the data"
stop_server "$server" TERM || { tail "$scratch/server.log"; fail "the server ends with status $?"; }

start plain "$scratch/plain.log" redis-server "${settings[@]}"
wait_until 30 answers || { cat "$scratch/plain.log"; fail "the server without the preload does not answer"; }
[ "$(ask debug digest)" = "$digest" ] || fail "without the preload the saved data is different"
stop_server "$plain" TERM || fail "the server without the preload ends with status $?"
echo "ok   redis: $requests of each command, $saves saves meanwhile, $(elapsed "$start") s"
