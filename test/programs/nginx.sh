#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that nginx serves wrk under the preload, compressed and plain, through a proxy and from files, while it is told to
# reload, and that every byte is right. On loopback, on a port that is free.
#
# $seconds a run of wrk: few unless nginx-long.sh says more.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
PATH=$PATH:/usr/sbin
need nginx nginx
need wrk wrk
need perl perl
seconds=${seconds:-2}
prove_preloaded nginx -v || exit 1
prove_preloaded sh -c 'wrk -v; true' || exit 1

chmod 755 "$scratch"
mkdir "$scratch/files"
perl -e 'srand(1); print map { chr(32 + rand 90) } 1 .. 700' >"$scratch/files/small"
perl -e 'srand(2); print map { chr(32 + rand 9) } 1 .. 900000' >"$scratch/files/large"
port=$(free_port)
cat >"$scratch/nginx.conf" <<END
daemon off; worker_processes 2; pid $scratch/pid; error_log $scratch/error.log warn;
events { worker_connections 512; }
http {
    access_log $scratch/access.log; default_type text/plain; gzip_types text/plain; gzip_http_version 1.0;
    client_body_temp_path $scratch/body; proxy_temp_path $scratch/proxy; fastcgi_temp_path $scratch/fastcgi;
    uwsgi_temp_path $scratch/uwsgi; scgi_temp_path $scratch/scgi;
    server {
        listen 127.0.0.1:$port; root $scratch/files;
        location /gzip/ { gzip on; alias $scratch/files/; }
        location /proxy/ { proxy_pass http://127.0.0.1:$port/; proxy_buffering on; }
        location / { }
    }
}
END
get() { # get PATH [HEADER]: prints the body
    perl -MIO::Socket::INET -e 'my ($port, $path, $header) = @ARGV; alarm 20;
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or exit 1;
        print $s "GET $path HTTP/1.0\r\nHost: x\r\n", $header ? "$header\r\n" : "", "\r\n"; local $/; my $all = <$s>;
        $all =~ s/\A(HTTP\S+ 200.*?)\r\n\r\n//s or exit 1; print $all' "$port" "$@"
}
right() { # Every way to each file gives the file.
    local file
    for file in small large; do
        get /$file | cmp - "$scratch/files/$file" || return 1
        get /proxy/$file | cmp - "$scratch/files/$file" || return 1
        get /gzip/$file "Accept-Encoding: gzip" | gzip -dc | cmp - "$scratch/files/$file" || return 1
    done
}
workers() { pgrep -P "$server"; }

start_server server "$scratch/server.log" nginx -c "$scratch/nginx.conf" -e "$scratch/error.log" -p "$scratch/"
wait_until 30 get /small || { cat "$scratch/server.log" "$scratch/error.log"; fail "the server does not answer"; }
# shellcheck disable=SC2046
mapped "$server" $(workers)
right || fail "wrong bytes"
requests=0
for path in /small /gzip/large /proxy/large /gzip/small; do
    start_client wrk "$scratch/wrk.log" wrk -t 2 -c 20 -d "${seconds}s" -H "Accept-Encoding: gzip" "http://127.0.0.1:$port$path"
    sleep 0.5
    kill -HUP "$server"
    wait "$wrk" || { cat "$scratch/wrk.log"; fail "wrk"; }
    # Reads fail where the reload closes connections that were kept alive.
    grep -q 'Non-2xx\|connect [1-9]\|write [1-9]\|timeout [1-9]' "$scratch/wrk.log" && {
        cat "$scratch/wrk.log"
        fail "wrk saw errors at $path"
    }
    requests=$((requests + $(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$scratch/wrk.log")))
done
[ $requests -gt 100 ] || fail "only $requests requests"
right || fail "wrong bytes after the load"
# shellcheck disable=SC2046
mapped "$server" $(workers)
stop_server "$server" QUIT || { cat "$scratch/server.log"; fail "the server ends with status $?"; }
grep -E '\[(alert|crit|emerg)\]|exited on signal' "$scratch/error.log" && fail "the server's log"
echo "ok   nginx: $requests requests, 4 reloads"
